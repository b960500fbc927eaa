import { describe, expect, it } from 'vitest'
import type { Command } from '../../src/engine/ops.ts'
import { backward, createTape } from '../../src/engine/tape.ts'
import type { DType, Tensor } from '../../src/engine/tensor.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { engines } from './engines.ts'
import { random } from './random.ts'

const [rows, width, hidden] = [7, 37, 5]

const transient = (columns: number, dtype: DType = 'float32') =>
  tensorHandle('transient', dtype, [rows, columns])

describe('a layer whose input is made again by the vjp of the op before it', () => {
  const persistent = (shape: number[]) => tensorHandle('persistent', 'float32', shape)
  const gateUp = persistent([rows, 2 * width])
  const weight = persistent([hidden, width])

  /** down(glu(gateUp)) and its loss, differentiated with respect to `trained`. */
  function recorded(trained: readonly Tensor[], recomputed: boolean) {
    const tape = createTape()
    const pass = () => {
      const { y: m } = tape.apply('glu', { gateUp }, { activation: 0 }, { y: transient(width) })
      const { y } = tape.apply(
        'linear',
        { x: m, weight, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
        { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [hidden, 0, 1] },
        { y: transient(hidden), t: null },
      )
      if (!m || !y) throw new Error('an output is missing')
      return { m, y }
    }
    const { m, y } = recomputed ? tape.recomputed(pass) : pass()
    const head = persistent([3, hidden])
    tape.apply(
      'targetLogProbs',
      {
        hidden: y,
        weight: head,
        targets: tensorHandle('persistent', 'int32', [rows]),
        weights: persistent([rows]),
      },
      { scale: 1, cap: 0 },
      { logProbs: transient(1), lse: transient(1), dHidden: transient(hidden), description: null },
    )
    const gradients = new Map(trained.map((tensor) => [tensor.id, persistent([...tensor.shape])]))
    return { m, commands: backward(tape, gradients) }
  }
  const names = (commands: readonly Command[]) =>
    commands.map(({ op, direction }) => (direction === 'vjp' ? `${op}.vjp` : op))

  it.each([false, true])('reads it behind that vjp (recomputed: %s)', (recomputed) => {
    const { m, commands } = recorded([gateUp, weight], recomputed)
    const [first, gate, second] = commands.slice(-3)
    expect(names([first, gate, second])).toEqual(['linear.vjp', 'glu.vjp', 'linear.vjp'])
    const [dX] = first.outputs
    const again = gate.outputs[1]
    expect(first.outputs.slice(1)).toEqual([null, null, null, null])
    expect(first.inputs[0]).toBeNull()
    expect(gate.inputs[2]).toBe(dX)
    expect(second.inputs[0]).toBe(again)
    expect(again?.shape).toEqual(m.shape)
    expect(second.outputs[0]).toBeNull()
    expect(second.outputs[1]?.shape).toEqual(weight.shape)
  })

  it('makes it alone where that op has no vjp', () => {
    expect(names(recorded([weight], false).commands)).toEqual(['glu', 'linear.vjp'])
  })
})

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)
  it.each(engine.activationTypes)('glu.vjp makes y again in place of dY (%s)', async (dtype) => {
    const gateUp = engine.tensor(dtype, [rows, 2 * width], random(1).normal(rows * 2 * width))
    const dY = random(2).normal(rows * width)
    const y = transient(width, dtype)
    const forward = { op: 'glu', direction: 'forward', attributes: [0] } as const
    await engine.run(engine.compile([{ ...forward, inputs: [gateUp], outputs: [y] }], [y]))
    const expected = await engine.read(y)

    const gradientOf = async (remakes: boolean) => {
      const given = engine.tensor(dtype, [rows, width], dY)
      const gradient = transient(2 * width, dtype)
      const command: Command = {
        op: 'glu',
        direction: 'vjp',
        inputs: [gateUp, null, given],
        outputs: remakes ? [gradient, given] : [gradient],
        attributes: [0],
      }
      await engine.run(engine.compile([command], [gradient]))
      return { gradient: await engine.read(gradient), given: await engine.read(given) }
    }
    const [alone, remade] = [await gradientOf(false), await gradientOf(true)]
    expect(remade.gradient).toEqual(alone.gradient)
    expect(remade.given).toEqual(expected)
    expect(alone.given).not.toEqual(expected)
  })
})
