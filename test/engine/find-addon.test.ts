import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeSources } from '../../scripts/native-sources.mjs'
import { changedSource } from '../../src/engine/native/changed-source.ts'
import {
  cureFor,
  enginePackage,
  findAddons,
  hashOf,
  wrongPackage,
  type Target,
} from '../../src/engine/native/find-addon.ts'

const linux: Target = { platform: 'linux', architecture: 'x64', libc: 'gnu' }
const name = '@fettle/engine-linux-x64-gnu'
const place = mkdtempSync(join(tmpdir(), 'fettle-addon-'))
afterAll(() => rmSync(place, { recursive: true }))
let count = 0

interface Installation {
  packaged?: string
  built?: boolean
  engineHashes?: Readonly<Record<string, string>>
  optionalDependencies?: Readonly<Record<string, string>>
}

/** An installation of fettle 1.2.3, with an engine's package of a version, or one that was built there, or both. */
function installed({ packaged, built, ...manifest }: Installation): string {
  count += 1
  const modules = join(place, String(count), 'node_modules')
  const fettle = join(modules, 'fettle')
  const write = (folder: string, file: string, text: string): void => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  write(fettle, 'package.json', JSON.stringify({ name: 'fettle', version: '1.2.3', ...manifest }))
  if (packaged !== undefined) {
    write(join(modules, name), 'package.json', JSON.stringify({ name, version: packaged }))
    write(join(modules, name), 'fettle.node', 'prebuilt')
  }
  if (built === true) write(join(fettle, 'build', 'linux-x64'), 'fettle.node', 'built')
  return fettle
}

it.each([
  [linux, name],
  [{ platform: 'linux', architecture: 'arm64', libc: 'musl' }, '@fettle/engine-linux-arm64-musl'],
  [{ platform: 'darwin', architecture: 'arm64' }, '@fettle/engine-darwin-arm64'],
  [{ platform: 'win32', architecture: 'x64' }, '@fettle/engine-win32-x64'],
] satisfies [Target, string][])('%j is in %s', (target, expected) => {
  expect(enginePackage(target)).toBe(expected)
})

it('takes the package first, then what was built', () => {
  const paths = findAddons(installed({ packaged: '1.2.3', built: true }), linux).map(({ path }) => path)
  expect(paths).toEqual([
    expect.stringMatching(/engine-linux-x64-gnu\/fettle\.node$/),
    expect.stringMatching(/build\/linux-x64\/fettle\.node$/),
  ])
})

it('never takes the package of another C library', () => {
  expect(findAddons(installed({ packaged: '1.2.3' }), { ...linux, libc: 'musl' })).toEqual([])
})

const sha256 = 'd4ddd1c4d1c3a1ea0a6aa1dbbbd0bbf9ee2cbbd0a05a3f5b4aa1d4d4a5a5c5e1'
it.each([
  ['of the same version', '1.2.3', {}, undefined],
  ['of another version', '1.2.4', {}, `${name} is of version 1.2.4, fettle of 1.2.3`],
  ['with another hash', '1.2.3', { engineHashes: { [name]: sha256 } }, 'its SHA-256 differs'],
])('a package %s', (_, packaged, manifest, problem) => {
  const folder = installed({ packaged, ...manifest })
  const [file] = findAddons(folder, linux)
  const found = wrongPackage(folder, file)
  if (problem === undefined) expect(found).toBeUndefined()
  else expect(found).toContain(problem)
})

it('takes the file that the hash is of', () => {
  const hash = hashOf(findAddons(installed({ packaged: '1.2.3' }), linux)[0].path)
  const folder = installed({ packaged: '1.2.3', engineHashes: { [name]: hash } })
  expect(hash).toMatch(/^[0-9a-f]{64}$/)
  expect(wrongPackage(folder, findAddons(folder, linux)[0])).toBeUndefined()
})

it('finds a package without its file', () => {
  const folder = installed({ packaged: '1.2.3' })
  const [file] = findAddons(folder, linux)
  rmSync(file.path)
  expect(wrongPackage(folder, file)).toBe(`${name} lacks its file fettle.node`)
})

it('says how a machine gets its engine', () => {
  const folder = installed({ optionalDependencies: { [name]: '1.2.3', '@fettle/engine-win32-x64': '1.2.3' } })
  expect(cureFor(folder, linux)).toBe(
    `\`npm install ${name}@1.2.3\` brings it, and \`npx fettle build-native\` (needs g++ or clang++) makes it here.`,
  )
  expect(cureFor(folder, { platform: 'win32', architecture: 'x64' })).toBe(
    '`npm install @fettle/engine-win32-x64@1.2.3` brings it.',
  )
  expect(cureFor(folder, { platform: 'freebsd', architecture: 'x64' })).toBe(
    '`npx fettle build-native` (needs g++ or clang++) makes it here.',
  )
})

describe('an addon beside the files that it was built from', () => {
  const folder = installed({ built: true })
  const built = join(folder, 'build', 'linux-x64')
  const addon = join(built, 'fettle.node')
  const write = (name: string, text: string, minutes: number): void => {
    const path = join(folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    utimesSync(path, new Date(), new Date(Date.now() + minutes * 60_000))
  }

  it('is not known to be old without a list of them', () => {
    expect(changedSource(folder, addon)).toBeUndefined()
  })

  it.each([
    ['has not changed when they are older', 'native/gemm.h', 'two', -1, undefined],
    ['has changed when one is newer and other', 'native/gemm.h', 'two', 1, 'native/gemm.h'],
    ['has not changed when one is newer and the same', 'native/gemm.h', 'one', 1, undefined],
    ['knows nothing of others', 'native/wasm/border.cc', 'two', 1, undefined],
  ] as const)('%s', (_, name, text, minutes, expected) => {
    write('native/gemm.h', 'one', -1)
    write('native/pool.cc', 'three', -1)
    writeSources(
      folder,
      built,
      ['native/gemm.h', 'native/pool.cc'].map((file) => join(folder, file)),
    )
    write(name, text, minutes)
    expect(changedSource(folder, addon)).toBe(expected)
  })

  it('has changed when one is gone', () => {
    rmSync(join(folder, 'native/pool.cc'))
    expect(changedSource(folder, addon)).toBe('native/pool.cc')
  })
})
