import type { SpanStatus } from '../chat/messages.ts'
import type { Origin } from './row.ts'

/** The learned tokens [start, end) of one message. */
export interface TokenSpan {
  message: number
  start: number
  end: number
  status: SpanStatus
}

/** A tokenised record. `mask[i]` is 1 where token i is learned (predicted from the tokens before it). */
export interface Example {
  inputIds: Int32Array
  mask: Uint8Array
  spans: TokenSpan[]
  origin: Origin
}
