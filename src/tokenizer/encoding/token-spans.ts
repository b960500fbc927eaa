import type { LearnedSpan, SpanStatus, TextSpan } from '../../chat/index.ts'
import type { BackendEncoding } from '../backend.ts'

/** The learned tokens [start, end) of one message. */
export interface TokenSpan {
  message: number
  start: number
  end: number
  status: SpanStatus
}

/** A token that lies on both sides of the border of a learned span; it is learned as a whole. */
export interface Straddle {
  message: number
  /** Index of the token. */
  token: number
  border: 'start' | 'end'
}

/** Tokens with their loss mask. */
export interface SpanEncoding {
  inputIds: Int32Array
  /** 1 = learned, for each token. */
  mask: Uint8Array
  spans: TokenSpan[]
  straddles: Straddle[]
}

/** Finds the tokens of a range of characters. */
type Locator = (range: TextSpan) => Located

/** Carries learned spans from characters to tokens. A token belongs to a span when any of its characters does. */
export function mapSpans(inputIds: Int32Array, spans: readonly LearnedSpan[], locate: Locator): SpanEncoding {
  const mask = new Uint8Array(inputIds.length)
  const straddles: Straddle[] = []
  const tokenSpans = spans.map(({ message, status, start, end, ranges }): TokenSpan => {
    const located = (ranges ?? [{ start, end }]).map((range) => {
      const found = locate(range)
      mask.fill(1, found.start, found.end)
      if (found.startStraddles) straddles.push({ message, token: found.start, border: 'start' })
      if (found.endStraddles) straddles.push({ message, token: found.end - 1, border: 'end' })
      return found
    })
    const first = located.at(0) ?? locate({ start, end: start })
    const last = located.at(-1) ?? first
    return { message, start: first.start, end: last.end, status }
  })
  return { inputIds, mask, spans: tokenSpans, straddles }
}

interface Located extends TextSpan {
  startStraddles: boolean
  endStraddles: boolean
}

/** Looks borders up one by one in an encoding: fetching all offsets may cost more than tokenising. */
export function encodingLocator(encoding: BackendEncoding, text: string, tokenCount: number): Locator {
  const { length } = text
  const startOf = (token: number) => encoding.startOf(token) ?? length
  /** The first token at or after a character: normalisation may have swallowed the character itself. */
  const tokenAt = (from: number): number => {
    for (let at = from; at < length; at++) {
      const token = encoding.tokenAt(at)
      if (token !== undefined) return token
    }
    return tokenCount
  }
  return ({ start, end }) => {
    const from = characterStart(text, start)
    const to = characterStart(text, end)
    const first = tokenAt(from)
    if (to <= from) return { start: first, end: first, startStraddles: false, endStraddles: false }
    const startStraddles = first < tokenCount && startOf(first) < from
    let last = tokenAt(to)
    // One character may be several tokens, and then all of them lie on the border.
    let endStraddles = false
    while (last < tokenCount && startOf(last) < to) {
      endStraddles = true
      last++
    }
    return { start: first, end: Math.max(first, last), startStraddles, endStraddles }
  }
}

/** The offset itself or, inside a surrogate pair, where the pair begins. */
function characterStart(text: string, offset: number): number {
  const isInside = offset > 0 && (text.codePointAt(offset - 1) ?? 0) > 0xffff
  return isInside ? offset - 1 : offset
}
