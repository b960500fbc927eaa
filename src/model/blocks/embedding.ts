import type { DType, Tensor } from '../../engine/tensor.ts'
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
  /** What a row of the table is multiplied by when the model computes in this type. */
  scaleIn(activation: DType): number
  /** Of that factor, what Transformers applies behind the embedding's module: noise on its output gets it too. */
  laterScale: number
  /** The stream [M, width] float32. */
  record(pass: ForwardPass, table: Tensor): Tensor
}

/** A factor of the embedding; Gemma rounds it to the compute type, as the numbers that it meets. */
export interface EmbeddingScale {
  factor: number
  isRounded: boolean
}

const unscaled: EmbeddingScale = { factor: 1, isRounded: false }

/** scale · table[ids] */
export function tokenEmbedding(table: Parameter, scale = unscaled): Embedding {
  return {
    table,
    others: [],
    scaleIn: (activation) => scaleIn(scale, activation),
    laterScale: scale.isRounded ? 1 : scale.factor,
    record({ tape, tokens: { ids }, options: { activation } }, weights) {
      const y = { dtype: 'float32' as const, shape: [ids.shape[0], weights.shape[1]] }
      const attributes = { scale: scaleIn(scale, activation) }
      return present(tape.apply('embedding', { ids, table: weights }, attributes, { y }).y)
    },
  }
}

/** The factor as it is in this type. */
export function scaleIn({ factor, isRounded }: EmbeddingScale, activation: DType): number {
  return isRounded && activation === 'bfloat16' ? bfloat16ToNumber(numberToBfloat16(factor)) : factor
}

/**
 * table[ids] + positions[position]
 * Source: Radford et al. 2019 (GPT-2)
 */
export function positionedEmbedding(table: Parameter, positions: Parameter): Embedding {
  return {
    table,
    others: [positions],
    scaleIn: () => 1,
    laterScale: 1,
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
