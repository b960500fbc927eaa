import type { TokenSpan } from '../../tokenizer/index.ts'
import type { Origin } from '../row.ts'

/** A tokenised record. `mask[i]` is 1 where token i is learned (predicted from the tokens before it). */
export interface Example {
  inputIds: Int32Array
  mask: Uint8Array
  spans: TokenSpan[]
  origin: Origin
}
