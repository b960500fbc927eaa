import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { enginePackage, type Target } from '../src/engine/native/find-addon.ts'

const root = join(import.meta.dirname, '..')
interface Platform {
  name: string
  os: NodeJS.Platform
  cpu: string
  libc?: 'glibc' | 'musl'
}
type Manifest = Readonly<Record<string, unknown>>
const { platforms, packageName, engineManifest, fettleManifest } = (await import(
  join(root, 'scripts', 'packages', 'manifests.mjs')
)) as {
  platforms: Platform[]
  packageName(platform: Platform): string
  engineManifest(fettle: Manifest, platform: Platform): Manifest
  fettleManifest(fettle: Manifest, hashes: Readonly<Record<string, string>>): Manifest
}
const repository = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest

it.each(platforms)('$name: npm installs its package where the engine looks for it', (platform) => {
  const { os, cpu, libc } = platform
  const target: Target = {
    platform: os,
    architecture: cpu,
    ...(libc !== undefined && { libc: libc === 'glibc' ? 'gnu' : libc }),
  }
  const manifest = engineManifest(repository, platform)
  expect(manifest).toMatchObject({
    name: enginePackage(target),
    version: repository['version'],
    license: 'Apache-2.0',
    os: [os],
    cpu: [cpu],
    files: ['fettle.node'],
  })
  expect(manifest['libc']).toEqual(libc === undefined ? undefined : [libc])
})

it('makes the package.json that is published: no scripts, and an engine for each platform', () => {
  const hashes = { '@fettle/engine-linux-x64-gnu': 'ab' }
  const made = fettleManifest(repository, hashes)
  const { version } = repository
  expect(made).toMatchObject({ name: 'fettle', version, bin: repository['bin'], engineHashes: hashes })
  expect(made).not.toHaveProperty('scripts')
  expect(made).not.toHaveProperty('devDependencies')
  expect(made['optionalDependencies']).toEqual(
    Object.fromEntries(platforms.map((platform) => [packageName(platform), version])),
  )
})
