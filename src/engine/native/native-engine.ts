import { FettleError } from '../../error.ts'
import type { Engine } from '../engine.ts'
import { createKernelEngine } from '../kernels/index.ts'
import { askedThreads, mostThreads } from '../thread-count.ts'
import { findNative } from './binding.ts'
import { defaultThreads } from './default-threads.ts'
import { memoryIsTaken } from './memory-taken.ts'

/**
 * The engine of C++ kernels. `isa` forces one of `nativeIsas()`; without it FETTLE_ISA, else the fastest.
 *
 * @throws FettleError when the addon is missing or the processor has no such instruction set
 */
export function createNativeEngine(options: { isa?: string; threads?: number } = {}): Engine {
  const found = findNative()
  if (!('addon' in found))
    throw new FettleError({
      place: 'engine native',
      found: found.problem,
      cure: `${found.cure} engine: wasm does without it, slower.`,
    })
  const { addon } = found
  const isa = options.isa ?? process.env['FETTLE_ISA'] ?? addon.isas[0]
  if (!addon.isas.includes(isa))
    throw new FettleError({
      place: 'FETTLE_ISA',
      found: `'${isa}'`,
      expected: addon.isas.join(', '),
      cure: 'node scripts/build-native.mjs --all builds every instruction set of this machine.',
    })
  const threads = askedThreads(options.threads) ?? Math.min(defaultThreads(), mostThreads)
  void memoryIsTaken()
  const runner = new addon.Runner(isa, threads)
  return createKernelEngine({
    name: 'native',
    isa,
    threads,
    prefersBfloat12: isa === 'avx512bf16' || isa === 'amx',
    runner,
    mapsFiles: true,
    beforeMemoryIsTaken: memoryIsTaken,
  })
}
