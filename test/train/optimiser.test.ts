import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collate } from '../../src/batch/index.ts'
import { createTape, type Tensor } from '../../src/engine/index.ts'
import { AutoModelForCausalLM, type TrainableParameters } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { createAdamW, runTraining, type Optimiser } from '../../src/train/index.ts'
import { sft } from '../../src/train/objectives/sft.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'
import { fixture, readTensors } from '../model/golden.ts'
import { dataOf } from './training-data.ts'

/**
 * SGD with momentum, as PyTorch has it: v = μ v + clip · g, p = p − lr · v. Composed of products with a matrix of one number; one that
 * is to be fast needs an op of its own, as AdamW has.
 */
function createSgd(
  { engine, size, parameters, gradients, stats }: TrainableParameters,
  momentum: number,
): Optimiser {
  const velocity = engine.tensor('float32', [size])
  const number = (value: number) => engine.tensor('float32', [1, 1], Float32Array.of(value))
  const [mu, one, minusRate] = [number(momentum), number(1), number(0)]
  const clip = engine.view(stats, 1, [1, 1])
  const column = (flat: Tensor) => engine.view(flat, 0, [size, 1])
  const [p, g, v] = [parameters, gradients, velocity].map(column)
  const tape = createTape()
  const multiplied = (x: Tensor, weight: Tensor, residual: Tensor | null) => {
    const { y } = tape.apply(
      'linear',
      { x, weight, bias: null, residual, loraA: null, loraB: null, dropoutSeed: null },
      { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [1, 0, 0] },
      { y: { dtype: 'float32', shape: [size, 1] }, t: null },
    )
    if (!y) throw new Error('linear without output')
    return y
  }
  const newVelocity = multiplied(v, mu, multiplied(g, clip, null))
  const newParameters = multiplied(newVelocity, minusRate, p)
  multiplied(newVelocity, one, null)
  multiplied(newParameters, one, null)
  const commands = tape.commands()
  return {
    states: { velocity },
    commands: commands.map((command, i) =>
      i < 3 ? command : { ...command, outputs: [i === 3 ? v : p, null] },
    ),
    begin: ({ learningRate }) => engine.write(minusRate, Float32Array.of(-learningRate)),
  }
}

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-optimiser-'))
})
afterEach(() => rm(folder, { recursive: true }))

const document = {
  inputIds: Int32Array.of(5, 9, 3, 7, 3, 8, 30),
  mask: new Uint8Array(7).fill(1),
  origin: { file: 'test', line: 1 },
}

type MakeOptimiser = (parameters: TrainableParameters) => Optimiser

/** Six steps on one document; every one is saved. */
async function train(optimiser: MakeOptimiser, options: { stopAfter?: number; resumeFrom?: string } = {}) {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  await model.addAdapter({ r: 2 })
  const controller = new AbortController()
  const losses: number[] = []
  for await (const event of runTraining({
    model,
    tokenizer: await AutoTokenizer.fromPretrained(join(import.meta.dirname, '../../assets/tiny-llama')),
    objective: sft([2]),
    optimiser,
    data: dataOf(Array.from({ length: 6 }, () => collate([document]))),
    options: readTrainOptions({ data: ['not read'], outputDir: folder, learningRate: 0.1, saveSteps: 1 }),
    resumeFrom: options.resumeFrom,
    signal: controller.signal,
    begun: 0,
  })) {
    if (event.type === 'step') losses.push(event.loss)
    if (event.type === 'step' && event.step === options.stopAfter) controller.abort()
  }
  return losses
}

describe('an optimiser that only its task knows', () => {
  const sgd: MakeOptimiser = (parameters) => createSgd(parameters, 0.9)

  it('lowers the loss, and its states are in the checkpoint by their names', async () => {
    const losses = await train(sgd)
    expect(losses[5]).toBeLessThan(losses[0] - 0.1)
    const { names } = await readTensors(join(folder, 'checkpoint-5', 'optimizer.safetensors'))
    expect(names.toSorted()).toEqual(['parameters', 'velocity'])
  })

  it('goes on to the same bits', async () => {
    const whole = await train(sgd)
    const resumeFrom = join(folder, 'checkpoint-3')
    expect(await train(sgd, { resumeFrom })).toEqual(whole.slice(3))
  })

  it('does not go on from what another one remembers', async () => {
    await train((parameters) => createAdamW(parameters), { stopAfter: 2 })
    await expect(train(sgd, { resumeFrom: join(folder, 'checkpoint-2') })).rejects.toThrow(
      /m, parameters, v; expected parameters, velocity/,
    )
  })
})
