import { describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { createTape } from '../../src/engine/tape.ts'
import type { Tensor } from '../../src/engine/tensor.ts'
import { rowsOf, tensorHandle } from '../../src/engine/tensor.ts'
import { engines } from './engines.ts'

/** y[i] = x[rows[i]], as a program. */
function selection(engine: Engine, x: Tensor, rows: Tensor) {
  const tape = createTape()
  const shape = [rows.shape[0], x.shape[1]]
  const { y } = tape.apply('selectRows', { x, rows }, {}, { y: { dtype: 'float32', shape } })
  if (!y) throw new Error('selectRows without output')
  return { y, program: engine.compile(tape.commands(), [y]) }
}

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)
  const table = engine.tensor('float32', [3, 1], Float32Array.of(1, 2, 3))

  it('runs a program with fewer rows than it was compiled for, and refuses more', async () => {
    const rows = engine.tensor('int32', [rowsOf('tokens', 3)], Int32Array.of(0, 1, 2))
    const { program, y } = selection(engine, table, rows)
    expect([...program.capacities]).toEqual([['tokens', 3]])
    await engine.run(program, { tokens: 3 })
    expect(await engine.read(y)).toEqual(Float32Array.of(1, 2, 3))
    engine.write(rows, Int32Array.of(2))
    await engine.run(program, { tokens: 1 })
    expect(await engine.read(y)).toEqual(Float32Array.of(3))
    engine.write(rows, Int32Array.of(2, 2, 0))
    await engine.run(program)
    expect(await engine.read(y)).toEqual(Float32Array.of(3, 3, 1))
    for (const wrong of [4, 0, -1, 1.5, Number.NaN])
      await expect(engine.run(program, { tokens: wrong })).rejects.toThrow(
        `engine.run: tokens: ${wrong}; expected a whole number from 1 to 3, which the program was compiled for`,
      )
    await expect(engine.run(program, { routed: 1 })).rejects.toThrow(
      'engine.run: routed: 1; expected counts of tokens, which',
    )
  })

  it('keeps fixed rows, and counts those of other symbols for themselves', async () => {
    const fixed = engine.tensor('int32', [2], Int32Array.of(0, 1))
    const pairs = engine.tensor('int32', [rowsOf('tokens', 2, 2)], Int32Array.of(0, 1, 2, 2))
    const routed = engine.tensor('int32', [rowsOf('routed', 5)], Int32Array.of(1, 1, 2, 0, 0))
    const tape = createTape()
    const select = (x: Tensor, rows: Tensor) => {
      const output = { dtype: 'float32', shape: [rows.shape[0], 1] } as const
      const { y } = tape.apply('selectRows', { x, rows }, {}, { y: output })
      if (!y) throw new Error('selectRows without output')
      return y
    }
    const [a, b] = [select(table, fixed), select(table, pairs)]
    const c = select(b, routed)
    const program = engine.compile(tape.commands(), [a, b, c])
    const outputs = async () => Promise.all([a, b, c].map(async (tensor) => [...(await engine.read(tensor))]))
    expect([a, b, c].map(({ rows }) => rows)).toEqual([
      null,
      { symbol: 'tokens', factor: 2 },
      { symbol: 'routed', factor: 1 },
    ])
    expect([...program.capacities]).toEqual([
      ['tokens', 2],
      ['routed', 5],
    ])
    await engine.run(program, { tokens: 1, routed: 2 })
    expect(await outputs()).toEqual([
      [1, 2],
      [1, 2],
      [2, 2],
    ])
    await engine.run(program, { routed: 3 })
    expect(await outputs()).toEqual([
      [1, 2],
      [1, 2, 3, 3],
      [2, 2, 3],
    ])
  })
})

it('refuses an op whose inputs have rows of different kinds', () => {
  const x = tensorHandle('persistent', 'float32', [rowsOf('tokens', 4), 2])
  const weights = tensorHandle('persistent', 'float32', [rowsOf('tokens', 2, 2)])
  const scale = () =>
    createTape().apply('scaleRows', { x, weights }, {}, { y: { dtype: 'float32', shape: [4, 2] } })
  expect(scale).toThrow('scaleRows: weights has 2 × tokens rows, x tokens; expected the same')
})
