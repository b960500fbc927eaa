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
  readonly ids: Uint32Array
  readonly typeId: number
  /** 0 text, 1 pair, null around them. */
  readonly sequence: 0 | 1 | null
  readonly bounds: () => Bounds
  /** Of one token, the vocabulary's spelling, or of added tokens what they matched. */
  readonly spelling: (token: number) => string
}

/** Tokens that stand for no characters. */
export function aroundList(ids: readonly number[], typeId: number): TokenList {
  const nowhere = new Int32Array(ids.length)
  return {
    text: '',
    ids: Uint32Array.from(ids),
    typeId,
    sequence: null,
    bounds: () => ({ starts: nowhere, ends: nowhere }),
    spelling: () => '',
  }
}

/** Collects the tokens of one text after the other, always in the same memory. */
export interface TokenCollector {
  /** Forgets what was collected. */
  clear(): void
  /** Adds the tokens of a word that begins at a unit of a text. */
  add(text: AlignedText, start: number, tokens: WordTokens): void
  /** Adds a token that was found as it is, white space around it included. */
  addFound(text: AlignedText, start: number, end: number, id: number): void
  /** What was collected, as the tokens of a text. */
  list(text: string, sequence: 0 | 1, spellingOf: (id: number) => string): TokenList
}

/** Room for tokens that is kept from text to text. */
const keptTokens = 1 << 16

export function makeTokenCollector(): TokenCollector {
  let ids = new Uint32Array(keptTokens)
  let starts = new Int32Array(keptTokens)
  let ends = new Int32Array(keptTokens)
  let count = 0
  /** What added tokens matched, by their place. */
  let matched = new Map<number, string>()

  const grow = (least: number): void => {
    const size = Math.max(least, 2 * ids.length)
    const longer = <T extends Uint32Array | Int32Array>(old: T, array: T): T => {
      array.set(old)
      return array
    }
    ids = longer(ids, new Uint32Array(size))
    starts = longer(starts, new Int32Array(size))
    ends = longer(ends, new Int32Array(size))
  }
  const add: TokenCollector['add'] = (text, start, tokens) => {
    const { ids: own, bounds } = tokens
    if (count + own.length > ids.length) grow(count + own.length)
    const { offset } = text
    for (let i = 0; i < own.length; i++, count++) {
      ids[count] = own[i]
      const from = start + bounds[2 * i]
      const to = start + bounds[2 * i + 1]
      starts[count] = offset === undefined ? startAt(text, from) : offset + from
      ends[count] = offset === undefined ? endAt(text, to - 1) : offset + to
    }
  }
  return {
    add,
    clear() {
      count = 0
      matched = new Map()
      if (ids.length === keptTokens) return
      ids = new Uint32Array(keptTokens)
      starts = new Int32Array(keptTokens)
      ends = new Int32Array(keptTokens)
    },
    addFound(text, start, end, id) {
      matched.set(count, text.text.slice(start, end))
      add(text, start, { ids: [id], bounds: [0, end - start] })
    },
    list(text, sequence, spellingOf) {
      const own = ids.slice(0, count)
      const bounds = { starts: starts.slice(0, count), ends: ends.slice(0, count) }
      const found = matched
      return {
        text,
        ids: own,
        typeId: sequence,
        sequence,
        bounds: () => bounds,
        spelling: (token) => found.get(token) ?? spellingOf(own[token]),
      }
    },
  }
}
