// What assets/engine.wasm is built from, and a hash of it: the file carries the hash, and a test compares it with the sources.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withIncluded } from './native-sources.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The compiler, as PyPI has it; another version makes another file. */
export const zig = { package: 'ziglang', version: '0.17.1' }

const target = [
  '-target',
  'wasm32-wasi',
  '-mcpu=generic+simd128+atomics+bulk_memory+nontrapping_fptoint+sign_ext',
]
// As in build-native.mjs: sums keep their order.
const common = [
  ...target,
  '-std=c++17',
  '-O3',
  '-fvisibility=hidden',
  '-fno-math-errno',
  '-fno-sanitize=undefined',
  '-DFETTLE_LANES=4',
  '-DFETTLE_HAS_BF16=0',
  '-DFETTLE_AMX=0',
  '-DFETTLE_X86=0',
]

/** What is compiled: the parts of isa.cc, the longest first, and the rest. */
export const jobs = [
  ...[2, 1, 3, 4, 0, 5].map((part) => ({
    name: `simd128-${part}`,
    source: 'isa.cc',
    args: [...common, '-DFETTLE_ISA=simd128', '-DFETTLE_TABLE=kernelsSimd128', `-DFETTLE_PART=${part}`],
  })),
  ...[
    'runner',
    'program_code',
    'program_checks',
    'special_checks',
    'weights',
    'wasm/border',
    'wasm/allocator',
    'wasm/exceptions',
    'wasm/pages',
    'wasm/pool',
  ].map((name) => ({ name: name.replace('/', '-'), source: `${name}.cc`, args: common })),
]

export const linking = [
  ...target,
  '-O3',
  '-mexec-model=reactor',
  '-Wl,--import-memory',
  '-Wl,--shared-memory',
  '-Wl,--max-memory=4294901760',
  '-Wl,--export=__stack_pointer',
  '-Wl,--export=__wasm_init_tls',
  '-Wl,--export=__tls_size',
  '-Wl,--strip-all',
]

/** 16 digits that change with every file that the module is made of, the compiler and what it is told. */
export function sourcesHash() {
  const files = new Set()
  for (const { source } of jobs) withIncluded(root, join(root, 'native', source), files)
  const hash = createHash('sha256').update(JSON.stringify([zig, jobs, linking]))
  for (const file of [...files].toSorted()) {
    hash.update(relative(root, file).replaceAll('\\', '/'))
    hash.update(readFileSync(file, 'utf8').replaceAll('\r\n', '\n'))
  }
  return hash.digest('hex').slice(0, 16)
}
