import type { Tensor } from '../../engine/tensor.ts'
import type { GraphBuilder } from './graph-builder.ts'

/** Where tokens go: int64 and float32 [M, topK]. */
export interface Route {
  experts: string
  weights: string
}

/** Rows at their experts, which are not computed before they come together again: then one loop over the experts does all of it. */
export interface ExpertRows {
  route: Route
  /** Of all tokens, [M, width]. */
  x: string
  steps: readonly ExpertStep[]
}

/** What one expert makes of its rows, in a graph of its own. */
export type ExpertStep = (expert: Expert, value: string) => string

/** The expert whose turn it is, and its rows. */
interface Expert {
  inner: GraphBuilder
  /** int64 [1] */
  number: string
  /** The routing weights of its rows, float32 [n, 1]. */
  weights: string
}

/** What is known of tensors that no value of the graph stands for. */
export interface ExpertTensors {
  routes: Map<Tensor, Route>
  expertRows: Map<Tensor, ExpertRows>
}
