import { createTape, type Tensor } from '../../engine/index.ts'
import type { TrainableParameters } from '../../model/index.ts'
import type { Optimiser } from './optimiser.ts'
import { rateAt, type UpdateOptions } from './update-rates.ts'

/** As transformers' Trainer sets Adafactor up: with the run's learning rate, without momentum. */
const [epsilon, threshold, decayRate] = [1e-30, 1, -0.8]

/**
 * Adafactor, as transformers computes it with scale_parameter and relative_step off; the formula stands with the op. It remembers a
 * number for each row and column of a matrix, and one for each number of a vector. Each matrix of stacked experts is clipped by itself.
 * Source: Shazeer and Stern 2018, https://arxiv.org/abs/1804.04235
 */
export function createAdafactor(trainable: TrainableParameters, options: UpdateOptions = {}): Optimiser {
  const { engine, parameters, gradients, stats, matrices } = trainable
  const total = (side: 'rows' | 'columns') => matrices.reduce((sum, matrix) => sum + matrix[side], 0)
  const rowState = engine.tensor('float32', [total('rows')])
  const columnState = engine.tensor('float32', [total('columns')])
  const tape = createTape()
  let [row, column] = [0, 0]
  const updates = matrices.map(({ start, rows, columns, stride }) => {
    const part = (flat: Tensor) => engine.view(flat, start, [rows, stride])
    const hyper = engine.tensor('float32', [5])
    const rowSquares = engine.view(rowState, row, [rows])
    const columnSquares = engine.view(columnState, column, [columns])
    row += rows
    column += columns
    const numbers = { parameters: part(parameters), gradients: part(gradients), stats, hyper }
    tape.apply('adafactor', { ...numbers, rowSquares, columnSquares }, {}, {})
    return { hyper, ...rateAt(trainable, options, start) }
  })
  return {
    states: { row_squares: rowState, column_squares: columnState },
    commands: tape.commands(),
    begin({ learningRate, step }) {
      const beta = 1 - step ** decayRate
      for (const { hyper, factor, decay } of updates)
        engine.write(hyper, Float32Array.of(factor * learningRate, beta, epsilon, threshold, decay))
    },
  }
}
