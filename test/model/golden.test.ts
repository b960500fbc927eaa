import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import {
  errorsOfTokens,
  fixture,
  goldenModels,
  maxDifference,
  readGoldenJson,
  readTensors,
  relativeError,
} from './golden.ts'
import { batchOf } from '../../src/batch/index.ts'
import { createTrainer } from './trainer.ts'

/** Tolerances that the fixtures' README suggests for a float32 engine. */
const suggested = { logits: 1e-4, loss: 1e-5, gradient: 5e-5, trainLoss: 1e-4, finalWeights: 2e-4 }

/** How far PyTorch's float32 is from float64. */
interface Noise {
  logits: number
  loss: number
  grad: { max_rel_norm: number }
}

interface Golden {
  loss: number
  packed_loss: number
  noise_f32_vs_f64: Noise
  lora: { loss: number; noise_f32_vs_f64: Noise }
  noise_bf16_vs_f64: { logits: number; loss: number; grad: { max_rel_norm: number } }
}

interface Training {
  optimizer: { lr: number; betas: [number, number]; eps: number; weight_decay: number }
  max_grad_norm: number
  steps: { loss: number; grad_norm: number; lr: number; num_items: number }[]
  noise_f32_vs_f64: { loss: number; grad_norm: number; final_weights_max_abs: number }
}

/**
 * What is suggested, but where PyTorch's own float32 is further than half of that from float64: there two engines that are as
 * exact differ by up to four times its distance. So it is in Qwen3.5's case only, whose norms of few channels are steep.
 */
function allowed(most: number, noise: number): number {
  return noise > most / 2 ? 4 * noise : most
}

function toleranceOf({ logits, loss, grad }: Noise) {
  return {
    logits: allowed(suggested.logits, logits),
    loss: allowed(suggested.loss, loss),
    gradient: allowed(suggested.gradient, grad.max_rel_norm),
  }
}

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-golden-'))
})
afterAll(() => rm(scratch, { recursive: true }))

describe.each(engines)('%s engine in float32 against Transformers and PEFT', (engine) => {
  const load = (name: string) =>
    AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })

  describe.each(goldenModels)('%s', (name) => {
    const golden = readGoldenJson<Golden>(name, 'golden.json')
    const tolerance = toleranceOf(golden.noise_f32_vs_f64)

    test('logits, loss and every gradient', async () => {
      const model = await load(name)
      const tensors = await readTensors(fixture(name, 'golden.safetensors'))
      const inputs = {
        inputIds: await tensors.rows('input_ids'),
        attentionMask: await tensors.rows('attention_mask'),
        labels: await tensors.rows('labels'),
      }
      const { logits, loss } = await model.forward(inputs)
      expect(maxDifference(logits.data, await tensors.floats('logits'))).toBeLessThan(tolerance.logits)
      expect(Math.abs((loss ?? NaN) - golden.loss)).toBeLessThan(tolerance.loss)
      const gradients = await model.gradients(inputs)
      const names = tensors.names.filter((key) => key.startsWith('grad.'))
      expect([...gradients.keys()].toSorted()).toEqual(names.map((key) => key.slice(5)).toSorted())
      for (const key of names) {
        const error = relativeError(
          gradients.get(key.slice(5))?.data ?? new Float32Array(),
          await tensors.floats(key),
        )
        expect(error, key).toBeLessThan(tolerance.gradient)
      }
    })

    test('left padding, packed documents and greedy tokens', async () => {
      const model = await load(name)
      const tensors = await readTensors(fixture(name, 'golden.safetensors'))
      const left = await model.forward({
        inputIds: await tensors.rows('left.input_ids'),
        attentionMask: await tensors.rows('left.attention_mask'),
        positionIds: await tensors.rows('left.position_ids'),
      })
      expect(maxDifference(left.logits.data, await tensors.floats('left.logits'))).toBeLessThan(
        tolerance.logits,
      )
      const packed = await model.forward({
        inputIds: await tensors.rows('packed.input_ids'),
        positionIds: await tensors.rows('packed.position_ids'),
        labels: await tensors.rows('packed.labels'),
      })
      expect(maxDifference(packed.logits.data, await tensors.floats('packed.logits'))).toBeLessThan(
        tolerance.logits,
      )
      expect(Math.abs((packed.loss ?? NaN) - golden.packed_loss)).toBeLessThan(tolerance.loss)
      const prompt = await tensors.rows('greedy.prompt')
      const [expected] = await tensors.rows('greedy.output')
      const [generated] = await model.generate(
        { inputIds: prompt },
        { maxNewTokens: expected.length - prompt[0].length, stopTokenIds: [] },
      )
      expect([...prompt[0], ...generated]).toEqual(expected)
    })

    test('a PEFT adapter: logits, loss, gradients and merged weights', async () => {
      const adapted = toleranceOf(golden.lora.noise_f32_vs_f64)
      const model = await load(name)
      await model.loadAdapter(fixture(name, 'lora'))
      const tensors = await readTensors(fixture(name, 'golden.safetensors'))
      const inputs = {
        inputIds: await tensors.rows('input_ids'),
        attentionMask: await tensors.rows('attention_mask'),
        labels: await tensors.rows('labels'),
      }
      const { logits, loss } = await model.forward(inputs)
      expect(maxDifference(logits.data, await tensors.floats('lora.logits'))).toBeLessThan(adapted.logits)
      expect(Math.abs((loss ?? NaN) - golden.lora.loss)).toBeLessThan(adapted.loss)
      const gradients = await model.gradients(inputs)
      const names = tensors.names.filter((key) => key.startsWith('lora.grad.'))
      expect([...gradients.keys()].toSorted()).toEqual(names.map((key) => key.slice(10)).toSorted())
      for (const key of names) {
        const error = relativeError(
          gradients.get(key.slice(10))?.data ?? new Float32Array(),
          await tensors.floats(key),
        )
        expect(error, key).toBeLessThan(adapted.gradient)
      }
      const saved = join(scratch, `${engine}-${name}-merged`)
      await model.mergeAdapter()
      await model.save(saved)
      const merged = await readTensors(join(saved, 'model.safetensors'))
      for (const key of tensors.names.filter((each) => each.startsWith('lora.merged.')))
        expect(
          maxDifference(await merged.floats(key.slice(12)), await tensors.floats(key)),
          key,
        ).toBeLessThan(1e-6)
    })

    test('12 training steps', async () => {
      const model = await load(name)
      await model.loadAdapter(fixture(name, 'lora_init'))
      const training = readGoldenJson<Training>(name, 'train.json')
      const { optimizer, max_grad_norm, steps, noise_f32_vs_f64: noise } = training
      // Where steps amplify rounding, two runs in float32 are a few times as far apart as one is from float64.
      const normTolerance = Math.max(suggested.trainLoss, 4 * noise.grad_norm)
      const batches = await readTensors(fixture(name, 'train_batches.safetensors'))
      const trainer = await createTrainer(model, {
        weightDecay: optimizer.weight_decay,
        beta1: optimizer.betas[0],
        beta2: optimizer.betas[1],
        epsilon: optimizer.eps,
      })
      for (const [i, step] of steps.entries()) {
        let sum = 0
        for (const micro of [0, 1]) {
          const key = `step${i}.micro${micro}`
          const inputs = {
            inputIds: await batches.rows(`${key}.input_ids`),
            attentionMask: await batches.rows(`${key}.attention_mask`),
            labels: await batches.rows(`${key}.labels`),
          }
          sum += await trainer.add(inputs, 1 / step.num_items)
        }
        expect(Math.abs(sum / step.num_items - step.loss), `loss of step ${i}`).toBeLessThan(
          allowed(suggested.trainLoss, noise.loss),
        )
        const norm = await trainer.step(step.lr, max_grad_norm)
        expect(Math.abs(norm - step.grad_norm), `norm of step ${i}`).toBeLessThan(normTolerance)
      }
      const saved = join(scratch, `${engine}-${name}-trained`)
      await model.saveAdapter(saved)
      const actual = await readTensors(join(saved, 'adapter_model.safetensors'))
      const expected = await readTensors(fixture(name, 'train_final.safetensors'))
      expect(actual.names.toSorted()).toEqual(expected.names.toSorted())
      for (const key of expected.names)
        expect(maxDifference(await actual.floats(key), await expected.floats(key)), key).toBeLessThan(
          allowed(suggested.finalWeights, noise.final_weights_max_abs),
        )
    })
  })
})

const native = nativeProblem() === undefined

describe.runIf(native)('native engine in bfloat16, measured as PyTorch was', () => {
  /** PyTorch's root mean squares of errors, by record_bfloat16.py: what one wrong rounding raises, whichever token it meets. */
  const rootMeanSquares = readGoldenJson<Record<string, number>>('.', 'bfloat16.json')
  /**
   * The largest of a few thousand errors is one draw on both sides: where PyTorch's was a lucky one, more than it. Engines that
   * multiply bfloat16 in float32 (AVX2, WebAssembly) have other draws than AVX512_BF16.
   */
  const outliers: Partial<Record<(typeof goldenModels)[number], number>> = {
    gemma2: 1.3,
    olmo2: 1.05,
    olmo3: 1.05,
    mistral: 1.05,
    ministral3: 1.25,
    mixtral: 1.25,
    // At one token the third expert is 0.02 behind the second, and goes before it, as one does in PyTorch; all others: 0.10.
    'gpt-oss': 1.9,
  }
  /**
   * What is usual for a case with larger errors: half of PyTorch's own are above 0.027 over 30 batches of random tokens, the
   * largest is 0.16, and 0.001 for the one that is recorded.
   */
  const lossErrors: Partial<Record<(typeof goldenModels)[number], number>> = { 'qwen3-5': 0.027 }
  /** The worst of 53 tensors is one draw, too, here norms of 16 channels; over all of them both are at 0.19 and 0.18. */
  const steepest: Partial<Record<(typeof goldenModels)[number], number>> = { 'qwen3-5': 1.35 }
  /**
   * A row from where bfloat16 sends a token to another expert that is nearly as good in float32. gemma4-moe, last layer: PyTorch moves
   * position 1, AVX2 positions 9 and 10, whose experts are 0.0001 and 0.0030 apart; differences of router logits err by 0.0021.
   * gpt-oss, last layer: PyTorch moves the first token of row 2, AVX512_BF16 the last one of row 0; 0.039 and 0.023 apart, router logits
   * err by 0.024.
   */
  const rerouted: Partial<Record<(typeof goldenModels)[number], { row: number; position: number }[]>> = {
    'gemma4-moe': [{ row: 2, position: 1 }],
    'gpt-oss': [
      { row: 0, position: 16 },
      { row: 2, position: 0 },
    ],
  }
  /** Largest error of a logit over PyTorch's own, by case. */
  const logitRatios: number[] = []
  /** Largest error of a gradient over PyTorch's own in bfloat16, by case. */
  const ratios: number[] = []

  test.each(goldenModels)('%s: logits no further from float32 than PyTorch is', async (name) => {
    const { noise_bf16_vs_f64: noise, loss: expected } = readGoldenJson<Golden>(name, 'golden.json')
    const model = await AutoModelForCausalLM.fromPretrained(fixture(name), {
      dtype: 'bfloat16',
      engine: 'native',
    })
    const tensors = await readTensors(fixture(name, 'golden.safetensors'))
    const inputs = {
      inputIds: await tensors.rows('input_ids'),
      attentionMask: await tensors.rows('attention_mask'),
      labels: await tensors.rows('labels'),
    }
    const { logits, loss } = await model.forward(inputs)
    const { largest, rootMeanSquare } = errorsOfTokens(
      logits.data,
      await tensors.floats('logits'),
      inputs.attentionMask.map((row, i) => {
        const from = rerouted[name]?.find((moved) => moved.row === i)?.position ?? Infinity
        return [...row].map((real, at) => real === 1 && at < from)
      }),
    )
    logitRatios.push(largest / noise.logits)
    expect(rootMeanSquare).toBeLessThanOrEqual(rootMeanSquares[name])
    expect(largest).toBeLessThanOrEqual(noise.logits * (outliers[name] ?? 1))
    // One number: PyTorch's own errors scatter from 0.0007 to 0.0116 over most of these cases.
    expect(Math.abs((loss ?? NaN) - expected)).toBeLessThanOrEqual(
      lossErrors[name] ?? Math.max(0.0116, noise.loss),
    )
    const gradients = await model.gradients(inputs)
    const errors: number[] = []
    for (const key of tensors.names.filter((each) => each.startsWith('grad.')))
      errors.push(
        relativeError(gradients.get(key.slice(5))?.data ?? new Float32Array(), await tensors.floats(key)),
      )
    ratios.push(Math.max(...errors) / noise.grad.max_rel_norm)
    expect(ratios.at(-1)).toBeLessThan(steepest[name] ?? 1.25)
  })

  test('logits over all cases: errors below those of PyTorch', () => {
    expect(logitRatios).toHaveLength(goldenModels.length)
    expect(logitRatios.reduce((sum, ratio) => sum + ratio, 0) / logitRatios.length).toBeLessThan(0.9)
  })

  test('gradients over all cases: errors below those of PyTorch', () => {
    expect(ratios).toHaveLength(goldenModels.length)
    expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeLessThan(1)
  })
})

describe.runIf(native)('native engine', () => {
  test('leaves the main thread free: a timer fires while a pass runs', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), {
      dtype: 'float32',
      engine: 'native',
    })
    const inputIds = Int32Array.from({ length: 40_000 }, (_, i) => 3 + (i % 100))
    const positionIds = inputIds.map((_, i) => i % 2000)
    const documentIds = inputIds.map((_, i) => Math.floor(i / 2000))
    const batch = batchOf({ inputIds, labels: inputIds, positionIds, documentIds })
    let longest = 0
    let last = performance.now()
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 10)
    const begun = performance.now()
    await internalsOf(model).passes.logProbs(batch)
    clearInterval(timer)
    const elapsed = performance.now() - begun
    expect(elapsed).toBeGreaterThan(100)
    // Far below the length of the pass, with room for a machine that other tests load.
    expect(longest).toBeLessThan(Math.max(50, elapsed / 2))
  })
})
