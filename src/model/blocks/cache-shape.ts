/**
 * What a block remembers of each sequence between the passes of generation: tensors [slots, positions, width] in the compute
 * type. The object itself is the name under which a pass finds them.
 */
export interface CacheShape {
  widths: readonly number[]
}
