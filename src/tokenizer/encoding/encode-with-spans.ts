import type { LearnedSpan } from '../../chat/index.ts'
import type { Backend } from '../backend.ts'
import { mapInTurns } from './own-turn.ts'
import { encodingLocator, mapSpans, type SpanEncoding } from './token-spans.ts'

/** A text of which only some parts are learned. */
export interface TextWithSpans {
  text: string
  spans: readonly LearnedSpan[]
}

/** A text as tokens, with what is learned of it. */
export interface TextEncoding extends SpanEncoding {
  text: string
}

/** Tokenises texts and carries their spans over to tokens. */
export function encodeTextsWithSpans(
  backend: Backend,
  items: readonly TextWithSpans[],
  { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {},
): Promise<TextEncoding[]> {
  return mapInTurns(items, (item) => encodeTextWithSpans(backend, item, addSpecialTokens))
}

/** The same for one text. */
export function encodeTextWithSpans(
  backend: Backend,
  { text, spans }: TextWithSpans,
  addSpecialTokens: boolean,
): TextEncoding {
  const encoding = backend.encode(text, undefined, addSpecialTokens)
  // Read as what they become: numbers of another type are converted one by one.
  const { buffer, byteOffset, length } = encoding.ids()
  const inputIds = new Int32Array(buffer, byteOffset, length).slice()
  return { text, ...mapSpans(inputIds, spans, encodingLocator(encoding, text, inputIds.length)) }
}
