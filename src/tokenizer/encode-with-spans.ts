import type { LearnedSpan } from '../chat/index.ts'
import type { Backend } from './backend.ts'
import { encodingLocator, mapSpans, wordLocator, type SpanEncoding } from './token-spans.ts'
import type { WordEncoder } from './word-encoder.ts'

/** A text of which only some parts are learned. */
export interface TextWithSpans {
  text: string
  spans: readonly LearnedSpan[]
}

/** A text as tokens, with what is learned of it. */
export interface TextEncoding extends SpanEncoding {
  text: string
}

/** What encoding texts with spans needs of the tokenizer. */
export interface SpanEncoder {
  backend: Backend
  /** Where there is one, texts without special tokens around them are put together from known words. */
  words: WordEncoder | undefined
}

/** Tokenises texts and carries their spans over to tokens. */
export async function encodeTextsWithSpans(
  { backend, words }: SpanEncoder,
  items: readonly TextWithSpans[],
  { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {},
): Promise<TextEncoding[]> {
  const cut = items.map(({ text, spans }) =>
    addSpecialTokens ? undefined : words?.cut(text, bordersOf(spans)),
  )
  const whole = items.filter((_, i) => cut[i] === undefined)
  // The backend may work on threads of its own, so both begin before either is waited for.
  const encodeWhole =
    whole.length === 0
      ? []
      : backend.encode(
          whole.map(({ text }) => text),
          undefined,
          addSpecialTokens,
        )
  const [wholes] = await Promise.all([encodeWhole, words?.encodeWords()])
  let next = 0
  return items.map(({ text, spans }, i) => {
    const known = cut[i]
    if (known !== undefined && words !== undefined) {
      const { inputIds, tokenAt } = words.join(known)
      return { text, ...mapSpans(inputIds, spans, wordLocator(tokenAt)) }
    }
    const encoding = wholes[next++]
    const inputIds = new Int32Array(encoding.ids())
    return { text, ...mapSpans(inputIds, spans, encodingLocator(encoding, text, inputIds.length)) }
  })
}

/** The offsets at which spans begin and end, ascending. */
function bordersOf(spans: readonly LearnedSpan[]): number[] {
  const borders: number[] = []
  for (const { start, end, ranges } of spans) {
    // A span all of whose ranges are taken out is looked up where it begins.
    for (const range of ranges ?? [{ start, end }]) borders.push(range.start, range.end)
    if (ranges?.length === 0) borders.push(start)
  }
  return borders.sort((left, right) => left - right)
}
