import type { Rope } from './rope.ts'

/** Grouped heads, and how far they see. */
export interface AttentionShape {
  queryHeads: number
  keyHeads: number
  headDim: number
  /** How many tokens back; 0: all. */
  window: number
  /** null: positions are not rotated. */
  rope: Rope | null
  /** Where queries are turned otherwise than keys. */
  queryRope?: Rope | undefined
}
