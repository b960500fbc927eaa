/**
 * What a block remembers of each sequence between the passes of generation. The object itself is the name under which a pass
 * finds the tensors: those of `widths`, then those of `states`.
 */
export interface CacheShape {
  /** Of each position: tensors [slots, positions, width] in the compute type. */
  widths: readonly number[]
  /** Of the newest positions only. */
  states?: readonly StateShape[]
}

/**
 * What is remembered of the newest positions: a tensor [slots, positions, width]. It has more positions than the next token
 * reads, so that some of the newest tokens may be fed again, differently.
 */
export interface StateShape {
  /** That the next token reads. */
  positions: number
  width: number
  /** Otherwise in the compute type. */
  isFloat32?: boolean
}
