import { FettleError } from '../../error.ts'
import type { Engine } from '../engine.ts'
import { createKernelEngine } from '../kernels/index.ts'
import { askedThreads, mostThreads } from '../thread-count.ts'
import type { WasmModule } from './module.ts'
import { wasmModule, wasmProblem } from './module.ts'
import { threadsProblem } from './threads.ts'
import { createWasmRunner } from './wasm-runner.ts'

/**
 * The engine of C++ kernels compiled to WebAssembly: as many threads as the machine has cores unless it is told or FETTLE_THREADS
 * says, one where the host lets no workers share memory (`threadsProblem` says why).
 *
 * @throws FettleError where the host cannot run it, or its file cannot be read
 */
export async function createWasmEngine(options: { threads?: number } = {}): Promise<Engine> {
  const problem = wasmProblem()
  if (problem !== undefined)
    throw new FettleError({
      place: 'engine wasm',
      found: problem,
      cure: 'Use another engine: native, or reference, which is slow.',
    })
  const isShared = threadsProblem() === undefined
  return engineOfModule(await wasmModule(isShared), isShared ? threadsOf(options.threads) : 1)
}

/** The engine over a module that is there: `wasmModule`. */
export function engineOfModule(module: WasmModule, threads: number): Engine {
  return createKernelEngine({
    name: 'wasm',
    isa: module.isa,
    threads,
    prefersBfloat12: false,
    runner: createWasmRunner(module, threads),
    mapsFiles: false,
    beforeMemoryIsTaken: () => {},
  })
}

function threadsOf(given: number | undefined): number {
  const cores = globalThis.navigator?.hardwareConcurrency ?? coresOfNode() ?? 1
  return askedThreads(given) ?? Math.min(cores, mostThreads)
}

/** Node 20 has no navigator. */
function coresOfNode(): number | undefined {
  return globalThis.process?.getBuiltinModule?.('node:os').availableParallelism()
}
