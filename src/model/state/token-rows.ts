import type { Tensor } from '../../engine/tensor.ts'
import type { ExactReader } from './exact-reader.ts'
import type { Parameter } from '../weights/parameters.ts'

/** Single rows of the embedding and of the head that are trained beside LoRA; how is in adapters/tables/token-rows.ts. */
export interface TokenRows {
  tables: readonly RowTable[]
}

/** The trained rows of one table. */
export interface RowTable {
  parameter: Parameter
  /** Token of each trained row. */
  ids: readonly number[]
  isEmbedding: boolean
  isHead: boolean
  /** The table without them, not rounded, where that is known. */
  exact: ExactReader | undefined
  /** The trained rows in the table that the ops read. */
  places: readonly Tensor[]
  /** What these rows had before the adapter [n, H]. */
  base: Float32Array
  /** For the embedding: which trained row each token of the vocabulary has [V, n], zeros [H, n] and their gradient. */
  rowGradient: { indicator: Tensor; weight: Tensor; gradient: Tensor } | null
}
