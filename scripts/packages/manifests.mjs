// What stands in the packages: one for each platform with the prebuilt engine, and fettle itself, which asks for them.

/**
 * Where the engine is built for, in Node's words, and in zig's; of Linux with the oldest glibc that it runs on. Kernels ask nothing of the C
 * library but memcpy and its like, so that those made for glibc serve musl.
 */
export const platforms = [
  { name: 'linux-x64-gnu', zig: 'x86_64-linux-gnu.2.28', os: 'linux', cpu: 'x64', libc: 'glibc' },
  {
    name: 'linux-x64-musl',
    zig: 'x86_64-linux-musl',
    os: 'linux',
    cpu: 'x64',
    libc: 'musl',
    kernels: 'linux-x64-gnu',
  },
  { name: 'linux-arm64-gnu', zig: 'aarch64-linux-gnu.2.28', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  {
    name: 'linux-arm64-musl',
    zig: 'aarch64-linux-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    kernels: 'linux-arm64-gnu',
  },
  { name: 'win32-x64', zig: 'x86_64-windows-gnu', os: 'win32', cpu: 'x64' },
  { name: 'darwin-arm64', zig: 'aarch64-macos.13.0', os: 'darwin', cpu: 'arm64' },
  { name: 'darwin-x64', zig: 'x86_64-macos.13.0', os: 'darwin', cpu: 'x64' },
]

/** The name of a platform's package; src/engine/native/find-addon.ts looks for it. */
export const packageName = (platform) => `@fettle/engine-${platform.name}`

/** package.json of a platform's package. npm leaves it out where os, cpu or libc are others. */
export function engineManifest(fettle, platform) {
  const { version, license, repository, engines } = fettle
  const { name, os, cpu, libc } = platform
  return {
    name: packageName(platform),
    version,
    description: `The native engine of fettle for ${name}.`,
    license,
    repository,
    os: [os],
    cpu: [cpu],
    ...(libc !== undefined && { libc: [libc] }),
    engines,
    main: 'fettle.node',
    files: ['fettle.node'],
  }
}

/**
 * package.json of fettle as it is published: what the repository has, without what only a clone needs, with the platforms' packages
 * and the hashes of their addons.
 *
 * @param hashes  SHA-256 by the names of packages; those of this version that were made
 */
export function fettleManifest(fettle, hashes) {
  const ofClone = ['scripts', 'devDependencies', 'overrides']
  return {
    ...Object.fromEntries(Object.entries(fettle).filter(([key]) => !ofClone.includes(key))),
    optionalDependencies: Object.fromEntries(
      platforms.map((platform) => [packageName(platform), fettle.version]),
    ),
    engineHashes: hashes,
  }
}
