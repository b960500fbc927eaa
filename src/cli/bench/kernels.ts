import { loadavg } from 'node:os'
import { createEngine } from '../../engine/index.ts'
import type { DType, Engine, EngineName } from '../../engine/index.ts'
import { kernelShape, modelShape } from './model-shape.ts'
import { AutoModelForCausalLM, internalsOf } from '../../model/index.ts'
import type { KernelRun } from './kernel-runs.ts'
import { kernelRuns } from './kernel-runs.ts'
import { activation, Workshop } from './workshop.ts'
import { arithmeticPeak, peaksOf } from './peaks.ts'
import type { MachinePeaks } from '../../engine/native/index.ts'

/** One kernel on one shape, against the peak that limits it. */
export interface KernelFigures extends Omit<KernelRun, 'commands' | 'amount'> {
  /** Of one call, the best round. */
  ms: number
  /** Useful operations or bytes a second. */
  per_s: number
  /** Of the peak that was measured right before or after; the native engine's only. */
  share?: number
}

export interface KernelReport {
  kind: 'kernels'
  isa: string
  threads: number
  dtype: DType
  load: number
  kernels: KernelFigures[]
}

const rounds = 5
/** A round calls a kernel so often that starting the program is lost in it. */
const roundSeconds = 0.04

/**
 * Measures the kernels on the model's own shapes with random values, those of the native engine each between two
 * measurements of the machine's peaks.
 */
export async function measureKernels(name: EngineName, modelPath: string): Promise<KernelReport> {
  const load = loadavg()[0]
  const model = await AutoModelForCausalLM.fromPretrained(modelPath, { engine: name })
  const config = kernelShape(modelShape(internalsOf(model).state.architecture))
  const engine = await createEngine({ engine: name })
  const kernels: KernelFigures[] = []
  let peaks = peaksBeside(engine)
  for (const prepare of kernelRuns(config)) {
    const workshop = new Workshop(engine)
    const { figures, after } = await measure(engine, prepare(workshop), peaks)
    kernels.push(figures)
    peaks = after
    workshop.free()
  }
  engine.close()
  return { kind: 'kernels', isa: engine.isa, threads: engine.threads, dtype: activation, load, kernels }
}

async function measure(
  engine: Engine,
  { commands, amount, ...labels }: KernelRun,
  before: MachinePeaks | undefined,
): Promise<{ figures: KernelFigures; after: MachinePeaks | undefined }> {
  let program = engine.compile(commands, [])
  const time = async () => {
    const begun = performance.now()
    await engine.run(program)
    return (performance.now() - begun) / 1000 / program.commands.length
  }
  await time()
  const repeats = Math.ceil(roundSeconds / ((await time()) * commands.length))
  const repeated = Array.from({ length: repeats }, () => commands).flat()
  program = engine.compile(repeated, [])
  let seconds = Infinity
  for (let round = 0; round < rounds; round += 1) seconds = Math.min(seconds, await time())
  const after = peaksBeside(engine)
  const limit = (peaks: MachinePeaks) =>
    labels.limit === 'reading' ? peaks.read : arithmeticPeak(peaks, activation)
  const reached = amount / seconds
  return {
    figures: {
      ...labels,
      ms: seconds * 1000,
      per_s: reached,
      ...(before && after && { share: reached / Math.max(limit(before), limit(after)) }),
    },
    after,
  }
}

function peaksBeside({ name, isa, threads }: Engine): MachinePeaks | undefined {
  return name === 'native' ? peaksOf(isa, threads) : undefined
}
