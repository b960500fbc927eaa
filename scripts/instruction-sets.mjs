// The instruction sets that native/isa.cc is compiled for, and which of them this machine has.
import { readFileSync } from 'node:fs'

const avx2 = ['avx2', 'fma', 'f16c', 'bmi', 'bmi2']
const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512cd']
const bf16 = [...avx512, 'avx512vnni', 'avx512bf16']
/** scripts/test-avx512.sh: AVX-512's kernels, compiled without its instructions (test/engine/emulated_avx512.h). */
const emulatesAvx512 = process.env.CXXFLAGS?.includes('FETTLE_AVX512_EMULATED') ?? false

/**
 * Kernel tables by architecture, the fastest first: what the processor must list, flags that let the compiler use it
 * (-mFEATURE each, where none are given), and the macros of native/isa.cc.
 */
const tables = {
  x64: [
    { isa: 'amx', lanes: 16, bf16: 1, amx: 1, features: [...bf16, 'amx-tile', 'amx-bf16'] },
    { isa: 'avx512bf16', lanes: 16, bf16: 1, amx: 0, features: bf16 },
    { isa: 'avx512', lanes: 16, bf16: 0, amx: 0, features: avx512 },
    { isa: 'avx2', lanes: 8, bf16: 0, amx: 0, features: avx2 },
    { isa: 'portable', lanes: 4, bf16: 0, amx: 0, features: [] },
  ],
  // NEON belongs to every 64-bit ARM: what is portable elsewhere has its instructions here.
  arm64: [
    {
      isa: 'neonbf16',
      lanes: 4,
      bf16: 1,
      amx: 0,
      features: ['bf16', 'i8mm'],
      flags: ['-march=armv8.2-a+bf16+i8mm'],
      // zig gives clang's processors and architectures one flag, and names of its own.
      zigFlags: ['-mcpu=generic+v8_2a+bf16+i8mm'],
    },
    { isa: 'neon', lanes: 4, bf16: 0, amx: 0, features: [] },
  ],
}

/** The variants of an architecture, by Node's name. */
export function variantsOf(architecture) {
  return tables[architecture] ?? [{ isa: 'portable', lanes: 4, bf16: 0, amx: 0, features: [] }]
}

/** Those of them that this machine can run; where that cannot be found out, all. */
export function runnable(variants) {
  if (process.platform !== 'linux') return variants
  const flags = new Set(
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^(?:flags|Features)\s*:(.*)$/m)?.[1]
      .trim()
      .split(/\s+/)
      .map(plain),
  )
  if (process.env.CXXFLAGS?.includes('FETTLE_AMX_EMULATED')) flags.add('amxtile').add('amxbf16')
  if (emulatesAvx512) for (const feature of bf16) flags.add(plain(feature))
  return variants.filter(({ features }) =>
    features.every((feature) => flags.has(plain(feature)) || feature === 'bmi'),
  )
}

/** The kernel writes avx512_bf16 where the compiler writes avx512bf16. */
function plain(feature) {
  return feature.replaceAll(/[-_]/g, '')
}

/** What lets the compiler use a variant's instructions. */
export const flagsOf = ({ features, flags, zigFlags }, isZig = false) =>
  (isZig ? zigFlags : undefined) ??
  flags ??
  features.filter((feature) => !emulatesAvx512 || avx2.includes(feature)).map((feature) => `-m${feature}`)
