import { createEngine, createTape, engineNames, type Engine, type Tensor } from '../../../engine/index.ts'
import { multiplyHere, type MultiplyBy } from '../../../peft/index.ts'
import { transpose } from '../../../transpose.ts'
import { present } from '../../blocks/forward-pass.ts'

/** Where matrices are multiplied in float32, and what gives back its memory. */
export interface Multiplier {
  multiply: MultiplyBy
  close(): void
}

/**
 * An engine like this one beside it, so that what its last program made stays readable; the reference engine is no faster than
 * JavaScript's own products.
 */
export async function multiplierBeside({ name, threads }: Engine): Promise<Multiplier> {
  const like = engineNames.find((known) => known === name)
  if (like === undefined || like === 'reference') return { multiply: multiplyHere, close() {} }
  const engine = await createEngine({ engine: like, threads })
  return {
    multiply(matrix, columns) {
      const rows = matrix.length / columns
      const weight = engine.tensor('float32', [rows, columns], matrix)
      const turned = engine.tensor('float32', [columns, rows], transpose(matrix, rows, columns))
      return {
        timesTransposed: (x) => product(engine, x, weight),
        times: (x) => product(engine, x, turned),
        free() {
          engine.free(weight)
          engine.free(turned)
        },
      }
    },
    close: () => engine.close(),
  }
}

/** x Wᵀ of x [count, columns] and W [rows, columns]: [count, rows] */
async function product(engine: Engine, x: Float64Array, weight: Tensor): Promise<Float64Array> {
  const [rows, columns] = weight.shape
  const count = x.length / columns
  const given = engine.tensor('float32', [count, columns], Float32Array.from(x))
  const tape = createTape()
  const { y } = tape.apply(
    'linear',
    { x: given, weight, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [rows, 0, 0] },
    { y: { dtype: 'float32', shape: [count, rows] }, t: null },
  )
  try {
    await engine.run(engine.compile(tape.commands(), [present(y)]))
    return Float64Array.from(await engine.read(present(y)))
  } finally {
    engine.free(given)
  }
}
