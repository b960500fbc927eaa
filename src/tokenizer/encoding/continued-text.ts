import { commonPrefixLength } from '../../chat/index.ts'

/**
 * A text with its tokens, and the special tokens in it. A text is cut at its special tokens before anything else is done with
 * it, so that of another text that begins alike, what stands before the last special token of both need not be tokenised
 * again: the turns of a long conversation.
 */
export interface TokenisedText {
  text: string
  inputIds: Int32Array
  /** Where special tokens begin, ascending: UTF-16 offset and index of the token. */
  restarts: readonly Restart[]
}

/** Where a text can be tokenised from. */
export interface Restart {
  offset: number
  token: number
}

/** What tokenising texts that begin alike needs of a tokenizer. */
interface TextEncoder {
  encode(
    text: string,
    options: { addSpecialTokens: false },
  ): Promise<{ inputIds: number[]; offsets: [number, number][] }>
  specialTokens: readonly string[]
  convertTokensToIds(token: string): number | undefined
}

/** Tokenises texts that begin alike. */
export interface ContinuedTexts {
  /** Where a text goes on by itself, whose beginning is that of a known one. */
  partingOf(text: string, known: TokenisedText | undefined): Restart
  /** Tokenises a text from there on. */
  encode(text: string, known: TokenisedText | undefined, from?: Restart): Promise<TokenisedText>
}

const beginning: Restart = { offset: 0, token: 0 }

/** For texts that a chat template wrote: nothing is put around them. */
export function continuedTexts(tokenizer: TextEncoder): ContinuedTexts {
  const { specialTokens } = tokenizer
  const ids = new Set(specialTokens.map((token) => tokenizer.convertTokensToIds(token)))
  const longest = Math.max(0, ...specialTokens.map((token) => token.length))
  const partingOf: ContinuedTexts['partingOf'] = (text, known) => {
    if (known === undefined) return beginning
    // A token that reaches beyond what both have may be another one in the other.
    const end = commonPrefixLength(known.text, text) - longest
    return known.restarts.findLast(({ offset }) => offset <= end) ?? beginning
  }
  return {
    partingOf,
    async encode(text, known, from = partingOf(text, known)) {
      const { inputIds, offsets } = await tokenizer.encode(text.slice(from.offset), {
        addSpecialTokens: false,
      })
      const all = new Int32Array(from.token + inputIds.length)
      if (known !== undefined) all.set(known.inputIds.subarray(0, from.token))
      all.set(inputIds, from.token)
      const restarts = known?.restarts.filter(({ token }) => token < from.token) ?? []
      inputIds.forEach((id, i) => {
        if (ids.has(id)) restarts.push({ offset: from.offset + offsets[i][0], token: from.token + i })
      })
      return { text, inputIds: all, restarts }
    },
  }
}
