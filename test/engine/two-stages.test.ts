import { describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { backward, createTape } from '../../src/engine/tape.ts'
import type { DType, Tensor } from '../../src/engine/tensor.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { engines } from './engines.ts'
import { random } from './random.ts'

const [rows, width, hidden, vocabulary] = [13, 24, 20, 33]
const uniform = new Float32Array(rows).fill(1 / 11)
const powers = Float32Array.from({ length: rows }, (_, i) => (i % 3 === 2 ? 0 : (-1) ** i * 2 ** -(i % 5)))
const others = random(9).normal(rows)

/** Log-probabilities of a small model whose two matrices are trained, and their gradients for weights. */
function smallModel(engine: Engine, dtype: DType, weighLater: boolean) {
  const r = random(4)
  const x = engine.tensor(dtype, [rows, width], r.normal(rows * width))
  const projection = engine.tensor('float32', [hidden, width], r.normal(hidden * width, width ** -0.5))
  const head = engine.tensor('float32', [vocabulary, hidden], r.normal(vocabulary * hidden, 0.5))
  const targets = r.integers(rows, vocabulary).fill(-1, rows - 2)
  const weights = engine.tensor('float32', [rows])
  const transient = (type: DType, ...shape: number[]) => tensorHandle('transient', type, shape)
  const tape = createTape()
  const { y } = tape.apply(
    'linear',
    { x, weight: projection, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 0, dropout: 0, seed: 0, int8Activations: 0, segments: [hidden, 0, 1] },
    { y: transient(dtype, rows, hidden), t: null },
  )
  if (!y) throw new Error('linear without output')
  const { logProbs } = tape.apply(
    'targetLogProbs',
    { hidden: y, weight: head, targets: engine.tensor('int32', [rows], targets), weights },
    { scale: 1, cap: 0 },
    { logProbs: transient('float32', rows), lse: transient('float32', rows), dHidden: y, description: null },
  )
  if (!logProbs) throw new Error('targetLogProbs without output')
  const parameters = [projection, head]
  const gradients = parameters.map(({ shape }) => engine.tensor('float32', shape))
  const back = backward(tape, new Map(parameters.map(({ id }, i) => [id, gradients[i]])), { weighLater })
  const program = weighLater
    ? engine.compile(tape.commands(), [logProbs], back)
    : engine.compile([...tape.commands(), ...back], [logProbs])
  return {
    program,
    logProbs,
    projection,
    async gradientsFor(values: Float32Array): Promise<ArrayLike<number>[]> {
      for (const gradient of gradients)
        engine.write(gradient, new Float32Array(gradient.shape[0] * gradient.shape[1]))
      engine.write(weights, weighLater ? new Float32Array(rows).fill(1) : values)
      await engine.run(program)
      if (weighLater) {
        expect((await engine.read(logProbs)).length).toBe(rows)
        engine.write(weights, values)
        await engine.finish(program)
      }
      return Promise.all(gradients.map((gradient: Tensor) => engine.read(gradient)))
    },
  }
}

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)

  // A power of two changes no mantissa. Other weights round a row of dHidden once more: in bfloat16, three roundings of 2^-9
  // lie between the two ways, and cancellation in the sum over the rows makes a little more of them.
  it.each([
    ['float32', 'powers of two', powers, 0],
    ['float32', 'equal weights', uniform, 3e-7],
    ['float32', 'any weights', others, 3e-7],
    ['bfloat16', 'powers of two', powers, 0],
    ['bfloat16', 'equal weights', uniform, 2 ** -7],
    ['bfloat16', 'any weights', others, 2 ** -7],
  ] as const)('gives the gradients of one stage in two: %s, %s', async (dtype, _, weights, tolerance) => {
    const expected = await smallModel(engine, dtype, false).gradientsFor(weights)
    const found = await smallModel(engine, dtype, true).gradientsFor(weights)
    for (const [i, gradient] of expected.entries()) {
      const largest = Math.max(...Array.from(gradient, Math.abs))
      expect(largest).toBeGreaterThan(0)
      for (let j = 0; j < gradient.length; j += 1)
        expect(Math.abs(found[i][j] - gradient[j])).toBeLessThanOrEqual(tolerance * largest)
    }
  })

  it('finishes a program once, and only if it ran last', async () => {
    const { program } = smallModel(engine, 'float32', true)
    const other = smallModel(engine, 'float32', true)
    await expect(async () => engine.finish(program)).rejects.toThrow('finish')
    await engine.run(program)
    await engine.run(other.program)
    await expect(async () => engine.finish(program)).rejects.toThrow('another program')
    await engine.finish(other.program)
    await expect(async () => engine.finish(other.program)).rejects.toThrow('finish')
    await engine.run(program)
    engine.release()
    await expect(async () => engine.finish(program)).rejects.toThrow('finish')
  })
})
