import type { BackendEncoding } from '../backend.ts'
import type { TokenList } from './token-list.ts'

/** What is known of the tokens of a text, its pair and what stands around them; most of it found when asked for. */
export function makeEncoding(lists: readonly TokenList[]): BackendEncoding {
  const [only] = lists
  // What stands around texts is the tokenizer's own.
  const ids = lists.length === 1 && only.sequence !== null ? only.ids : joined(lists)
  /** The list of the text itself, and the index of its first token. */
  let first = 0
  let text: TokenList | undefined
  for (const list of lists) {
    if (list.sequence === 0) {
      text = list
      break
    }
    first += list.ids.length
  }
  return {
    ids: () => ids,
    typeIds: () => lists.flatMap((list) => Array.from(list.ids, () => list.typeId)),
    sequences: () => lists.flatMap((list) => Array.from(list.ids, () => list.sequence)),
    offsets: () => lists.flatMap(offsetsOf),
    tokenAt(offset) {
      const token = text === undefined ? -1 : firstWith(text, offset)
      return token < 0 ? undefined : first + token
    },
    startOf(token) {
      const own = token - first
      return text === undefined || own < 0 || own >= text.ids.length ? undefined : text.bounds().starts[own]
    },
  }
}

function joined(lists: readonly TokenList[]): Uint32Array {
  const ids = new Uint32Array(lists.reduce((count, list) => count + list.ids.length, 0))
  let count = 0
  for (const list of lists) {
    ids.set(list.ids, count)
    count += list.ids.length
  }
  return ids
}

function offsetsOf(list: TokenList): [number, number][] {
  const { starts, ends } = list.bounds()
  const offsets: [number, number][] = []
  for (let i = 0; i < starts.length; i++) offsets.push([starts[i], ends[i]])
  return offsets
}

/** The first token that has a character, or -1. Tokens stand in the order of their text. */
function firstWith(list: TokenList, offset: number): number {
  const { starts, ends } = list.bounds()
  let low = 0
  let high = ends.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ends[middle] > offset) high = middle
    else low = middle + 1
  }
  return low < ends.length && starts[low] <= offset ? low : -1
}
