import type { Tensor } from '../../engine/tensor.ts'
import type { Rope } from './rope.ts'

/** Grouped heads, and how far they see. Each block that attends to earlier tokens has its own, which names its cache. */
export interface AttentionShape {
  queryHeads: number
  keyHeads: number
  headDim: number
  /** How many tokens back; 0: all. */
  window: number
  /** null: positions are not rotated. */
  rope: Rope | null
}

/** Keys and values [slots, capacity, keyHeads · headDim] in the compute type. */
export interface KeyValueCache {
  keys: Tensor
  values: Tensor
}
