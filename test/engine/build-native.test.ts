import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const folders: string[] = []
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** Runs a copy of the script, so that the engine of this checkout stays, with a compiler that is this shell script. */
function build(compiler: string | null, ...flags: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-build-'))
  folders.push(folder)
  mkdirSync(join(folder, 'scripts'))
  for (const name of [
    'build-native.mjs',
    'check-headers.mjs',
    'instruction-sets.mjs',
    'link-native.mjs',
    'native-sources.mjs',
  ])
    copyFileSync(join(root, 'scripts', name), join(folder, 'scripts', name))
  for (const name of ['native', 'node_modules', 'package.json'])
    symlinkSync(join(root, name), join(folder, name))
  const log = join(folder, 'log')
  writeFileSync(log, '')
  writeFileSync(join(folder, 'c++.sh'), `echo "$@" >> ${log}\n${compiler}`)
  const unset = { FETTLE_NATIVE: undefined, CXX: undefined, CXXFLAGS: undefined }
  const named = compiler === null ? { PATH: folder } : { CXX: `sh ${join(folder, 'c++.sh')}` }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(folder, 'scripts', 'build-native.mjs'), ...flags],
    { encoding: 'utf8', env: { ...process.env, ...unset, ...named } },
  )
  return {
    status,
    text: stdout + stderr,
    last: (stdout + stderr).trim().split('\n').at(-1),
    log: readFileSync(log, 'utf8'),
  }
}

const fails = `
case "$*" in *-fsyntax-only* | *--version*) exit 0 ;; esac
echo "In file included from here:" >&2
echo "native/pool.cc:12:3: error: there is no such thing [-Werror=thing]" >&2
exit 1`
const failure = 'native/pool.cc:12:3: error: there is no such thing [-Werror=thing]'

/** Knows no flag of an instruction set, and makes empty files. */
const plain = `
for argument; do
  case "$argument" in -m*) echo "c++: error: unrecognized command-line option '$argument'" >&2; exit 1 ;; esac
  if [ "$previous" = -o ]; then : > "$argument"; fi
  previous=$argument
done`

const knowsNothing = `
case "$*" in *--version*) exit 0 ;; esac
echo "c++: fatal error: no input files" >&2
exit 1`

describe.skipIf(process.platform === 'win32')('building the kernels', () => {
  it('finds that each header includes what it needs', () => {
    const script = join(root, 'scripts', 'build-native.mjs')
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--headers', '--if-compiler'], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(stdout).toMatch(/each of \d+ headers includes what it needs|no C\+\+ compiler found/)
    expect(status).toBe(0)
  }, 300_000)

  it.each([{ flags: [] }, { flags: ['--all'] }, { flags: ['--if-compiler', '--all'] }])(
    '$flags: fails with the first error of the compiler',
    ({ flags }) => {
      const { status, last } = build(fails, ...flags)
      expect(last).toBe(`native engine: the build failed: ${failure}`)
      expect(status).toBe(1)
    },
  )

  it('fails no installation, and says the first error of the compiler', () => {
    const { status, text } = build(fails, '--install')
    expect(text).toBe(
      `native engine: the build failed, so the same kernels run as WebAssembly, slower (npm run build:native shows why; ${failure})\n`,
    )
    expect(status).toBe(0)
  })

  it('fails when the compiler knows no instruction set at all', () => {
    const { status, text, last } = build(knowsNothing, '--if-compiler')
    expect(text).toMatch(/c\+\+\.sh compiles for none of .*(portable|neon)/)
    expect(last).toBe('native engine: the build failed: c++: fatal error: no input files')
    expect(status).toBe(1)
  })

  it('leaves out the instruction sets that the compiler does not know, and fails when the addon does not load', () => {
    const { status, text, log } = build(plain, '--all')
    const compiled = new Set([...log.matchAll(/-DFETTLE_ISA=(\w+)/g)].map(([, isa]) => isa))
    expect([...compiled]).toEqual([process.arch === 'arm64' ? 'neon' : 'portable'])
    expect(text).toMatch(/fettle\.node does not load/)
    expect(status).toBe(1)
  })

  it.each([
    [['--if-compiler', '--all'], 0],
    [['--install'], 0],
    [[], 1],
  ] as const)('%j: says that there is no compiler', (flags, code) => {
    const { status, text } = build(null, ...flags)
    expect(text).toContain(
      'native engine: no C++ compiler found, so the same kernels run as WebAssembly, slower',
    )
    expect(status).toBe(code)
  })

  it('fails when a compiler is named that does not run', () => {
    const { status, last } = build(knowsNothing, '--if-compiler', '--compiler', '/nowhere/c++')
    expect(last).toBe('native engine: the build failed: no C++ compiler found: /nowhere/c++ does not run')
    expect(status).toBe(1)
  })
})
