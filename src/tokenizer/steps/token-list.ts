import { endAt, startAt, type AlignedText } from './aligned-text.ts'

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

/** Collects the tokens of one text after the other. */
export interface TokenCollector {
  /** Forgets what was collected since the last list. */
  clear(): void
  /** Adds the tokens of a word that begins at a unit of a text, as they stand at a place of a store. */
  add(text: AlignedText, start: number, tokens: Uint32Array, place: number): void
  /** Adds a token that was found as it is, white space around it included. */
  addFound(text: AlignedText, start: number, end: number, id: number): void
  /** What was collected, as the tokens of a text. */
  list(text: string, sequence: 0 | 1, spellingOf: (id: number) => string): TokenList
}

/** Tokens that share an array, which is cheaper than arrays for each short text. */
const tokensPerBlock = 1 << 16

/** @param size  in tokens */
function makeBlock(size: number) {
  return { ids: new Uint32Array(size), starts: new Int32Array(size), ends: new Int32Array(size) }
}

export function makeTokenCollector(): TokenCollector {
  let block = makeBlock(0)
  let first = 0
  let end = 0
  /** What added tokens matched, by their place. */
  let matched = new Map<number, string>()

  /** Goes on in another block; lists keep the one before. */
  const makeRoom = (count: number): void => {
    const old = block
    block = makeBlock(Math.max(tokensPerBlock, 2 * (end - first + count)))
    block.ids.set(old.ids.subarray(first, end))
    block.starts.set(old.starts.subarray(first, end))
    block.ends.set(old.ends.subarray(first, end))
    end -= first
    first = 0
  }
  return {
    add(text, start, tokens, place) {
      const count = tokens[place]
      if (end + count > block.ids.length) makeRoom(count)
      const { ids, starts, ends } = block
      const { offset } = text
      for (let i = 0, at = place + 1; i < count; i++, at += 3, end++) {
        ids[end] = tokens[at]
        const from = start + tokens[at + 1]
        const to = start + tokens[at + 2]
        starts[end] = offset === undefined ? startAt(text, from) : offset + from
        ends[end] = offset === undefined ? endAt(text, to - 1) : offset + to
      }
    },
    clear() {
      end = first
      matched = new Map()
    },
    addFound(text, start, last, id) {
      matched.set(end - first, text.text.slice(start, last))
      if (end === block.ids.length) makeRoom(1)
      block.ids[end] = id
      block.starts[end] = startAt(text, start)
      block.ends[end] = endAt(text, last - 1)
      end++
    },
    list(text, sequence, spellingOf) {
      const ids = block.ids.subarray(first, end)
      const bounds = { starts: block.starts.subarray(first, end), ends: block.ends.subarray(first, end) }
      const found = matched
      first = end
      return {
        text,
        ids,
        typeId: sequence,
        sequence,
        bounds: () => bounds,
        spelling: (token) => found.get(token) ?? spellingOf(ids[token]),
      }
    },
  }
}
