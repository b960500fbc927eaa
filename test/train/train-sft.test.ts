import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { FettleError } from '../../src/error.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import type { TrainEvent, TrainSftInput } from '../../src/train/index.ts'
import { trainSft } from '../../src/train/index.ts'

const assets = join(import.meta.dirname, '..', '..', 'assets')
const tiny = join(assets, 'tiny-llama')
const engine = nativeProblem() === undefined ? 'native' : 'reference'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-train-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function run(options: Partial<TrainSftInput> & { stopAfter?: number }): Promise<TrainEvent[]> {
  const { stopAfter, ...rest } = options
  const model = await AutoModelForCausalLM.fromPretrained(tiny, { engine, dtype: 'float32' })
  const tokenizer = await AutoTokenizer.fromPretrained(tiny)
  const controller = new AbortController()
  const events: TrainEvent[] = []
  const input: TrainSftInput = {
    model,
    tokenizer,
    data: [join(assets, 'demo.jsonl')],
    outputDir: join(folder, 'run'),
    maxSteps: 6,
    perDeviceTrainBatchSize: 1,
    maxLength: 128,
    lora: { r: 4, loraDropout: 0.1 },
    learningRate: 1e-3,
    signal: controller.signal,
    ...rest,
  }
  for await (const event of trainSft(input)) {
    events.push(event)
    if (event.type === 'step' && event.step === stopAfter) controller.abort()
  }
  return events
}

const steps = (events: readonly TrainEvent[]) => events.filter((event) => event.type === 'step')
const file = (name: string, run = 'run') => readFile(join(folder, run, name))

describe('trainSft', () => {
  test('the same seed gives the same bits, also when it is interrupted and resumed', async () => {
    const whole = await run({})
    const adapter = await file('adapter_model.safetensors')
    const part = await run({ outputDir: join(folder, 'resumed'), stopAfter: 3 })
    expect(part.at(-1)).toMatchObject({ type: 'end', step: 3, interrupted: true })
    expect(part.filter((event) => event.type === 'checkpoint').map((event) => event.step)).toEqual([3])
    const rest = await run({ outputDir: join(folder, 'resumed'), resumeFromCheckpoint: true })
    expect(rest[0]).toMatchObject({ type: 'start', first_step: 3 })
    expect([...steps(part), ...steps(rest)].map(({ loss, grad_norm }) => [loss, grad_norm])).toEqual(
      steps(whole).map(({ loss, grad_norm }) => [loss, grad_norm]),
    )
    expect((await file('adapter_model.safetensors', 'resumed')).equals(adapter)).toBe(true)
  })

  test('an adapter begins with what its own data activate (EVA), and goes on from its checkpoint to the same bits', async () => {
    const lora = {
      r: 2,
      targetModules: ['v_proj', 'o_proj'],
      initLoraWeights: 'eva' as const,
      evaConfig: { rho: 2, tau: 0.8, useLabelMask: true, whiten: false, adjustScalingFactors: true },
    }
    const options = { lora, maxSteps: 2 }
    const whole = await run(options)
    const config = JSON.parse((await file('adapter_config.json')).toString()) as Record<string, object>
    expect(config).toMatchObject({ init_lora_weights: 'eva', eva_config: { tau: 0.8 } })
    expect(Object.values(config['rank_pattern'])).toContain(3)
    const part = await run({ ...options, outputDir: join(folder, 'resumed'), stopAfter: 1 })
    const rest = await run({ ...options, outputDir: join(folder, 'resumed'), resumeFromCheckpoint: true })
    expect([...steps(part), ...steps(rest)].map(({ loss }) => loss)).toEqual(
      steps(whole).map(({ loss }) => loss),
    )
    expect(
      (await file('adapter_model.safetensors', 'resumed')).equals(await file('adapter_model.safetensors')),
    ).toBe(true)
  })

  test('accumulating micro-batches equals one large batch', async () => {
    const options = { lora: { r: 4 }, maxSteps: 3, packing: false, shuffle: false }
    const together = steps(await run({ ...options, perDeviceTrainBatchSize: 8 }))
    const parts = {
      perDeviceTrainBatchSize: 2,
      gradientAccumulationSteps: 4,
      outputDir: join(folder, 'apart'),
    }
    const apart = steps(await run({ ...options, ...parts }))
    apart.forEach((step, i) => {
      expect(step.learned_tokens).toBe(together[i].learned_tokens)
      expect(Math.abs(step.loss - together[i].loss)).toBeLessThan(1e-5)
      expect(Math.abs(step.grad_norm - together[i].grad_norm)).toBeLessThan(1e-4 * together[i].grad_norm)
    })
  })

  test('recomputing activations and smaller passes change nothing', async () => {
    const options = { lora: { r: 4, loraDropout: 0 }, maxSteps: 3, maxLength: 256 }
    const usual = steps(await run(options))
    for (const other of [{ gradientCheckpointing: true }, { lowMemory: true }]) {
      const outputDir = join(folder, Object.keys(other)[0])
      const changed = steps(await run({ ...options, ...other, outputDir }))
      changed.forEach((step, i) => expect(Math.abs(step.loss - usual[i].loss)).toBeLessThan(1e-5))
    }
  })

  test('training every weight lowers the loss and saves a model', async () => {
    const events = steps(await run({ lora: null, learningRate: 1e-3, warmupSteps: 0 }))
    expect(events[5].loss).toBeLessThan(events[0].loss)
    const saved = await AutoModelForCausalLM.fromPretrained(join(folder, 'run'))
    expect(saved.parameterCount).toBe((await AutoModelForCausalLM.fromPretrained(tiny)).parameterCount)
  })

  test('evaluation measures the loss and the probability of stopping', async () => {
    const events = await run({ evalData: [join(assets, 'demo-eval.jsonl')], evalSteps: 3 })
    const evaluations = events.filter((event) => event.type === 'eval')
    expect(evaluations.map(({ step }) => step)).toEqual([0, 3, 6])
    for (const { stop_probability, early_stop_probability } of evaluations) {
      expect(stop_probability).toBeGreaterThanOrEqual(0)
      expect(stop_probability).toBeLessThanOrEqual(1)
      expect(early_stop_probability).toBeLessThan(0.5)
    }
  })

  test('a loss that is not a number stops the run, names the rows and calls its weights what they are', async () => {
    const attempt = run({ lora: { r: 4 }, learningRate: 1e30, warmupSteps: 0, maxGradNorm: 0, maxSteps: 50 })
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(FettleError)
    expect((error as FettleError).exitCode).toBe(1)
    expect((error as FettleError).message).toMatch(
      /step 2, rows .*demo\.jsonl:\d+.*expected a finite number.*No checkpoint before it.*diverged-1/,
    )
    expect(await readdir(join(folder, 'run'))).toEqual([
      'diverged-1',
      'events.jsonl',
      'report.html',
      'run.json',
    ])
  })

  test('resuming with other options is refused', async () => {
    await run({ maxSteps: 2, saveSteps: 1 })
    await expect(run({ maxSteps: 4, resumeFromCheckpoint: true })).rejects.toThrow(/steps: 4; expected 2/)
  })

  test('options that the loaded model contradicts are refused, all together', async () => {
    const attempt = run({
      engine: engine === 'native' ? 'reference' : 'native',
      dtype: 'bfloat16',
      quantization: 'nf4',
      activationQuantization: 'int8',
    })
    const error = await attempt.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(FettleError)
    const { problems } = error as FettleError
    expect(problems.map(({ place }) => place)).toEqual([
      'engine',
      'dtype',
      'quantization',
      'activationQuantization',
    ])
    expect(problems[1]).toEqual({
      place: 'dtype',
      found: 'bfloat16, and a model that was loaded with float32',
      expected: 'what the model was loaded with, or nothing',
      cure: 'Load it with AutoModelForCausalLM.fromPretrained(path, { dtype: "bfloat16" }).',
    })
  })

  test.runIf(engine === 'native')('threads too', async () => {
    await expect(run({ threads: 1000 })).rejects.toThrow(/threads: 1000, and a model that was loaded with/)
  })

  test('options that say what the model is are taken', async () => {
    const events = await run({ engine, dtype: 'float32', maxSteps: 1 })
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 1 })
  })
})
