import { endAt, startAt, type AlignedText } from './aligned-text.ts'
import type { WordTokens } from './models/model.ts'

/** Where tokens begin and end in their text, in UTF-16 units. */
export interface Bounds {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** The tokens of one text, of its pair, or of what stands around them. */
export interface TokenList {
  /** The text of which these are tokens; empty around texts. */
  readonly text: string
  readonly ids: number[]
  readonly typeId: number
  /** 0 text, 1 pair, null around them. */
  readonly sequence: 0 | 1 | null
  /** Found when asked for: most callers do not, and finding them takes as long as the tokens. */
  readonly bounds: () => Bounds
  /** Of one token, the vocabulary's spelling, or of added tokens what they matched. */
  readonly spelling: (token: number) => string
}

/** Tokens that stand for no characters. */
export function aroundList(ids: number[], typeId: number): TokenList {
  const nowhere = new Int32Array(ids.length)
  return {
    text: '',
    ids,
    typeId,
    sequence: null,
    bounds: () => ({ starts: nowhere, ends: nowhere }),
    spelling: () => '',
  }
}

/** Collects the tokens of a text. */
export interface ListBuilder {
  readonly ids: number[]
  /** Adds the tokens of a word that begins at a unit of a text. */
  add(text: AlignedText, start: number, tokens: WordTokens): void
  /** Adds a token that was found as it is, white space around it included. */
  addFound(text: AlignedText, id: number): void
  build(text: string, sequence: 0 | 1, spellingOf: (id: number) => string): TokenList
}

export function makeListBuilder(): ListBuilder {
  const ids: number[] = []
  // Words one after the other, and of each text how many words had come before it.
  const texts: { text: AlignedText; firstWord: number }[] = []
  const starts: number[] = []
  const words: WordTokens[] = []
  /** What added tokens matched, by their place. */
  const matched = new Map<number, string>()
  let current: AlignedText | undefined
  const add: ListBuilder['add'] = (text, start, tokens) => {
    if (current !== text) {
      texts.push({ text, firstWord: words.length })
      current = text
    }
    starts.push(start)
    words.push(tokens)
    const own = tokens.ids
    for (let i = 0; i < own.length; i++) ids.push(own[i])
  }
  return {
    ids,
    add,
    addFound(text, id) {
      matched.set(ids.length, text.text)
      add(text, 0, { ids: [id], bounds: [0, text.text.length] })
    },
    build(text, sequence, spellingOf) {
      let known: Bounds | undefined
      return {
        text,
        ids,
        typeId: sequence,
        sequence,
        bounds: () => (known ??= boundsOf(ids.length, texts, starts, words)),
        spelling: (token) => matched.get(token) ?? spellingOf(ids[token]),
      }
    },
  }
}

function boundsOf(
  count: number,
  texts: readonly { text: AlignedText; firstWord: number }[],
  wordStarts: readonly number[],
  words: readonly WordTokens[],
): Bounds {
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  let token = 0
  texts.forEach(({ text }, i) => {
    const last = texts.at(i + 1)?.firstWord ?? words.length
    for (let word = texts[i].firstWord; word < last; word++) {
      const { bounds } = words[word]
      const start = wordStarts[word]
      for (let j = 0; j < bounds.length; j += 2, token++) {
        starts[token] =
          text.offset === undefined ? startAt(text, start + bounds[j]) : text.offset + start + bounds[j]
        ends[token] =
          text.offset === undefined
            ? endAt(text, start + bounds[j + 1] - 1)
            : text.offset + start + bounds[j + 1]
      }
    }
  })
  return { starts, ends }
}
