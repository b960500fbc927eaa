import { createTape, type Tensor } from '../../engine/index.ts'
import type { TrainableParameters, TrainedMatrix } from '../../model/index.ts'
import { adamWOf, type AdamWOptions } from './adamw.ts'
import type { Optimiser } from './optimiser.ts'
import { rateAt, stretchesBetween } from './update-rates.ts'

/** How the learning rate follows from a matrix's sides, by PyTorch's names. */
export type MuonRate = 'original' | 'match_rms_adamw'

export interface MuonOptions extends AdamWOptions {
  momentum?: number
  nesterov?: boolean
  adjustLrFn?: MuonRate
}

/** Of a matrix [rows, columns] as PyTorch has it. */
const ratios: { [R in MuonRate]: (rows: number, columns: number) => number } = {
  original: (rows, columns) => Math.sqrt(Math.max(1, rows / columns)),
  // Moonshot's: updates as large as AdamW's, so that its learning rates serve.
  match_rms_adamw: (rows, columns) => 0.2 * Math.sqrt(Math.max(rows, columns)),
}

/**
 * Muon of matrices, as PyTorch computes it, and AdamW of vectors, embeddings and the head, as Muon is meant; the formulas stand with the
 * ops. It remembers 4 bytes a parameter of matrices and 8 of others.
 * Sources: Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu et al. 2025, https://arxiv.org/abs/2502.16982
 */
export function createMuon(trainable: TrainableParameters, options: MuonOptions = {}): Optimiser {
  const { engine, parameters, gradients, stats, size } = trainable
  const { momentum = 0.95, nesterov = true, adjustLrFn = 'match_rms_adamw' } = options
  const matrices = trainable.matrices.filter(({ kind }) => kind === 'matrix')
  const m = engine.tensor('float32', [matrices.reduce((sum, matrix) => sum + sizeOf(matrix), 0)])
  const tape = createTape()
  let at = 0
  const updates = matrices.map((matrix) => {
    const { start, rows, columns, stride } = matrix
    const part = (flat: Tensor, from: number) => engine.view(flat, from, [rows, stride])
    const hyper = engine.tensor('float32', [5])
    const numbers = { parameters: part(parameters, start), gradients: part(gradients, start) }
    tape.apply('muon', { ...numbers, m: part(m, at), stats, hyper }, { columns }, {})
    at += sizeOf(matrix)
    return { hyper, ratio: ratios[adjustLrFn](rows, columns), ...rateAt(trainable, options, start) }
  })
  // Matrices that lie side by side in one, as the B of fused projections with other ranks do, have rows between theirs.
  const covered = matrices.map((matrix) => ({ start: matrix.start, length: sizeOf(matrix) }))
  const rest = stretchesBetween(covered, size)
  const others = adamWOf(trainable, options, rest)
  return {
    states: { ...(matrices.length > 0 && { momentum: m }), ...(rest.length > 0 && others.states) },
    commands: [...tape.commands(), ...others.commands],
    begin(step) {
      for (const { hyper, ratio, factor, decay } of updates)
        engine.write(
          hyper,
          Float32Array.of(factor * step.learningRate, ratio, momentum, decay, nesterov ? 1 : 0),
        )
      others.begin(step)
    },
  }
}

/** Numbers from its first to the end of its last row. */
function sizeOf({ rows, stride }: TrainedMatrix): number {
  return rows * stride
}
