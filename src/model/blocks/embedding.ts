import type { Tensor } from '../../engine/tensor.ts'
import { bfloat16ToNumber, numberToBfloat16 } from '../../float16.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** What makes the residual stream of token ids. */
export interface Embedding {
  /** A row for each token of the vocabulary [vocabulary, width]. */
  table: Parameter
  /** What it reads besides. */
  others: readonly Parameter[]
  /** The stream [M, width] float32. */
  record(pass: ForwardPass, table: Tensor): Tensor
}

/**
 * scale · table[ids]; the scale is rounded as the table's numbers are, as transformers does it.
 *
 * @param scale  default 1
 */
export function tokenEmbedding(table: Parameter, scale = 1): Embedding {
  return {
    table,
    others: [],
    record({ tape, tokens: { ids }, options: { activation } }, weights) {
      const y = { dtype: 'float32' as const, shape: [ids.shape[0], weights.shape[1]] }
      const rounded =
        activation === 'bfloat16' ? bfloat16ToNumber(numberToBfloat16(scale)) : Math.fround(scale)
      return present(tape.apply('embedding', { ids, table: weights }, { scale: rounded }, { y }).y)
    },
  }
}

/**
 * table[ids] + positions[position]
 * Source: Radford et al. 2019 (GPT-2)
 */
export function positionedEmbedding(table: Parameter, positions: Parameter): Embedding {
  return {
    table,
    others: [positions],
    record({ tape, tensors, tokens }, weights) {
      const y = { dtype: 'float32' as const, shape: [tokens.ids.shape[0], weights.shape[1]] }
      const rows = (ids: Tensor, from: Tensor) =>
        present(tape.apply('embedding', { ids, table: from }, { scale: 1 }, { y }).y)
      const words = rows(tokens.ids, weights)
      const x = rows(tokens.positions, tensors.tensor(positions))
      return present(tape.apply('addScaled', { x, residual: words }, { scale: 1 }, { y }).y)
    },
  }
}
