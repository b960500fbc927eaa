import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Which machine an addon is for, by Node's names; of Linux also the C library. */
export interface Target {
  platform: NodeJS.Platform
  architecture: string
  libc?: 'gnu' | 'musl' | undefined
}

/** A file that may be the native engine. */
export interface AddonFile {
  path: string
  /** The package that brought it; without one it was built here. */
  package?: { name: string; version: string }
}

/** What fettle's own package.json says of the packages that bring its engine; in a clone nothing. */
interface Manifest {
  version?: string
  /** Versions by the names of packages. */
  optionalDependencies?: Readonly<Record<string, string>>
  /** SHA-256 of each package's addon, in hexadecimal digits: written when packages are made. */
  engineHashes?: Readonly<Record<string, string>>
}

/** This machine. The C library is the one that this process has mapped: both may be installed. */
export function thisTarget(): Target {
  const { platform, arch: architecture } = process
  return { platform, architecture, ...(platform === 'linux' && { libc: ownLibc() }) }
}

/** musl's loader is its C library: `ld-musl-x86_64.so.1` in Alpine, a link to `libc.so` elsewhere; glibc's has a number behind that. */
function ownLibc(): 'gnu' | 'musl' {
  try {
    return /\/(ld-musl-[^/\n]*|libc\.so)$/m.test(readFileSync('/proc/self/maps', 'utf8')) ? 'musl' : 'gnu'
  } catch {
    return 'gnu'
  }
}

/** A machine as packages are named: `linux-x64-gnu`, `darwin-arm64`. */
export function machineName({ platform, architecture, libc }: Target = thisTarget()): string {
  return [platform, architecture, libc].filter((part) => part !== undefined).join('-')
}

/** The name of the package with the engine of a machine, whether there is such a package or not. */
export function enginePackage(target: Target): string {
  return `@fettle/engine-${machineName(target)}`
}

/**
 * Where the engine of a machine may lie, the first choice first: in the package of that machine, as it is installed beside fettle, and
 * where `fettle build-native` puts it.
 *
 * @param folder  of fettle's package.json
 */
export function findAddons(folder: string, target: Target): AddonFile[] {
  const found: AddonFile[] = []
  const name = enginePackage(target)
  try {
    const manifest = createRequire(pathToFileURL(join(folder, 'package.json'))).resolve(
      `${name}/package.json`,
    )
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
    found.push({ path: join(dirname(manifest), 'fettle.node'), package: { name, version } })
  } catch {
    // Not installed.
  }
  const built = join(folder, 'build', `${target.platform}-${target.architecture}`, 'fettle.node')
  if (existsSync(built)) found.push({ path: built })
  return found
}

/** The SHA-256 of a file, in hexadecimal digits. 10 MB take about 10 ms. */
export function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/**
 * What is wrong with a package's addon, or undefined: it must be of fettle's own version, and the very file that was made with it. One
 * that was built here is held against the op table when it is loaded.
 *
 * @param folder  of fettle's package.json
 */
export function wrongPackage(folder: string, { path, package: from }: AddonFile): string | undefined {
  if (from === undefined) return undefined
  const { version, engineHashes } = manifestOf(folder)
  if (version !== undefined && from.version !== version)
    return `${from.name} is of version ${from.version}, fettle of ${version}`
  if (!existsSync(path)) return `${from.name} lacks its file fettle.node`
  const expected = engineHashes?.[from.name]
  if (expected === undefined || hashOf(path) === expected) return undefined
  return `${path} is not the file that was made with fettle ${version}: its SHA-256 differs`
}

/**
 * How this machine gets the engine, as a sentence.
 *
 * @param folder  of fettle's package.json
 */
export function cureFor(folder: string, target: Target): string {
  const name = enginePackage(target)
  const version = manifestOf(folder).optionalDependencies?.[name]
  const build =
    target.platform === 'win32' ? undefined : '`npx fettle build-native` (needs g++ or clang++) makes it here'
  if (version === undefined) return `${build ?? 'No package brings it'}.`
  // Who leaves out optional packages, or copies node_modules from another machine, has none.
  return `\`npm install ${name}@${version}\` brings it${build === undefined ? '' : `, and ${build}`}.`
}

/** Empty where fettle's files were bundled into another program. */
function manifestOf(folder: string): Manifest {
  const path = join(folder, 'package.json')
  if (!existsSync(path)) return {}
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest & { name?: string }
  return manifest.name === 'fettle' ? manifest : {}
}
