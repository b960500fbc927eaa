/** A tensor of a GGUF file, before its type is chosen. */
export interface PlannedTensor {
  name: string
  /** Row-major. */
  shape: readonly number[]
  /** Whether its rows are blocks of MXFP4 already. */
  isMxfp4?: boolean
  /** Its numbers as the file has them, in pieces of whole rows. */
  values(): AsyncIterable<Float32Array>
}
