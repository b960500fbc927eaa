import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DataSource } from '../../data/index.ts'
import type { EngineName } from '../../engine/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../model/index.ts'
import { modelShape } from './model-shape.ts'
import { AutoTokenizer } from '../../tokenizer/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import { passSize, prepareData, readTrainOptions, type StepEvent, trainSft } from '../../train/index.ts'
import type { TrainCase } from './cases.ts'
import { collectGarbage } from '../collect-garbage.ts'
import { passShapes, stepWork, totalWork } from './work.ts'
import type { TrainingShape } from './work.ts'

/** One op of a step: how long it takes, and what it must do at the least. */
export interface OpFigures {
  op: string
  ms: number
  flops: number
  bytes: number
}

/** What a training run measured, all of a step where nothing else is said. */
export interface TrainFigures {
  kind: 'train'
  dtype: string
  isa: string
  threads: number
  /** Steps that count: all but the first two (of three: the first). */
  steps: number
  step_ms: number
  tokens: number
  learned_tokens: number
  tokens_per_s: number
  /** Useful ones, on average. */
  flops: number
  flops_per_s: number
  /** From the start of the process to that of the first step, and to its end. */
  start_s: number
  first_step_s: number
  peak_rss_mib: number
  load: number
  losses: number[]
  ops: OpFigures[]
}

/** Makes the run in this process, as `fettle train` would, and measures it. */
export async function measureTraining(
  { options: caseOptions, steps, threads, rowTokens }: TrainCase,
  engine: EngineName,
  modelPath: string,
  dataPath: string,
): Promise<TrainFigures> {
  const load = loadavg()[0]
  const outputDir = await mkdtemp(join(tmpdir(), 'fettle-bench-'))
  try {
    const tokenizer = await AutoTokenizer.fromPretrained(modelPath)
    const dtype = caseOptions.dtype ?? 'bfloat16'
    const model = await AutoModelForCausalLM.fromPretrained(modelPath, {
      dtype,
      quantization: caseOptions.quantization ?? null,
      activationQuantization: caseOptions.activationQuantization ?? null,
      engine,
      ...(threads !== undefined && { threads }),
    })
    const data = rowTokens === undefined ? [dataPath] : [await longRows(dataPath, tokenizer, rowTokens)]
    const options = { ...caseOptions, data, outputDir, maxSteps: steps }
    const skipped = Math.min(2, steps - 2)
    const events: StepEvent[] = []
    const times = new Map<string, number>()
    let begun = 0
    let firstEnded = 0
    for await (const event of trainSft({ ...options, model, tokenizer })) {
      if (event.type === 'start') {
        collectGarbage()
        begun = performance.now()
      }
      if (event.type !== 'step') continue
      firstEnded ||= performance.now()
      events.push(event)
      const profile = model.profile()
      if (event.step > skipped) for (const [op, ms] of profile) times.set(op, (times.get(op) ?? 0) + ms)
    }
    const peakRssMib = Math.round(process.resourceUsage().maxRSS / 1024)
    const counted = events.slice(skipped)
    const milliseconds = counted.map((event) => (event.tokens / event.tokens_per_second) * 1000)
    const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)
    const shape = {
      config: modelShape(internalsOf(model).state.architecture),
      rank: caseOptions.lora?.r ?? 0,
      trainable: model.trainableCount,
      elementBytes: dtype === 'float32' ? 4 : 2,
    } as const satisfies TrainingShape
    const { perPass } = passSize(internalsOf(model).activationBytesPerToken(), options.lowMemory === true)
    const work = await workOfSteps(options, tokenizer, shape, perPass, skipped, steps)
    const flops = totalWork(work).flops
    return {
      kind: 'train',
      dtype: model.dtype,
      isa: model.engine.isa,
      threads: model.engine.threads,
      steps: counted.length,
      step_ms: median(milliseconds),
      tokens: sum(counted.map(({ tokens }) => tokens)) / counted.length,
      learned_tokens: sum(counted.map((event) => event.learned_tokens)) / counted.length,
      tokens_per_s: (sum(counted.map(({ tokens }) => tokens)) / sum(milliseconds)) * 1000,
      flops: flops / counted.length,
      flops_per_s: (flops / sum(milliseconds)) * 1000,
      start_s: begun / 1000,
      first_step_s: firstEnded / 1000,
      peak_rss_mib: peakRssMib,
      load,
      losses: events.map(({ loss }) => loss),
      ops: [...new Set([...times.keys(), ...work.keys()])].map((op) => ({
        op,
        ms: (times.get(op) ?? 0) / counted.length,
        flops: (work.get(op)?.flops ?? 0) / counted.length,
        bytes: (work.get(op)?.bytes ?? 0) / counted.length,
      })),
    }
  } finally {
    await rm(outputDir, { recursive: true, force: true })
  }
}

/** The work of steps `from` … `to` − 1 together, from the same rows that the run had. */
async function workOfSteps(
  given: Parameters<typeof readTrainOptions>[0],
  tokenizer: Tokenizer,
  shape: TrainingShape,
  perPass: number,
  from: number,
  to: number,
) {
  const options = readTrainOptions(given)
  const data = await prepareData({ options, tokenizer, vocabSize: shape.config.vocabSize })
  const sum: ReturnType<typeof stepWork> = new Map()
  for (let step = from; step < to; step += 1) {
    const passes = data.stepAt(step).batches.flatMap((batch) => passShapes(batch, perPass, shape.config))
    for (const [op, { flops, bytes }] of stepWork(shape, passes)) {
      const before = sum.get(op) ?? { flops: 0, bytes: 0 }
      sum.set(op, { flops: before.flops + flops, bytes: before.bytes + bytes })
    }
  }
  return sum
}

/** Rows of exactly `length` tokens: the file's text, end to end. */
async function longRows(path: string, tokenizer: Tokenizer, length: number): Promise<DataSource> {
  const text = (await readFile(path, 'utf8')).slice(0, 16 * 8192)
  const { inputIds } = await tokenizer.encode(text, { addSpecialTokens: false })
  const rows = Array.from({ length: Math.floor(inputIds.length / length) }, (_, i) => ({
    input_ids: inputIds.slice(i * length, (i + 1) * length),
  }))
  return { rows, name: `rows of ${length} tokens` }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
