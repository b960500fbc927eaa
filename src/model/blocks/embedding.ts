import type { Tensor } from '../../engine/tensor.ts'
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

/** table[ids] */
export function tokenEmbedding(table: Parameter): Embedding {
  return {
    table,
    others: [],
    record({ tape, tokens: { ids } }, weights) {
      const y = { dtype: 'float32' as const, shape: [ids.shape[0], weights.shape[1]] }
      return present(tape.apply('embedding', { ids, table: weights }, {}, { y }).y)
    },
  }
}
