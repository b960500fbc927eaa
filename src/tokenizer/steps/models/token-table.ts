import { isJsonObject, type JsonObject } from '../../json.ts'
import { ownCopy } from '../../own-copy.ts'

/** Ids by token. A token may also be named by where its characters stand in a text, which spares cutting it out. */
export interface TokenTable {
  readonly size: number
  get(token: string): number | undefined
  /** The id of the characters [start, end) of a text, and those of [then, last) behind them; -1 for none. */
  find(text: string, start: number, end: number, then?: number, last?: number): number
  set(text: string, start: number, end: number, id: number): void
  entries(): Iterable<readonly [token: string, id: number]>
}

/** Whether a value of a tokenizer.json was read into a table already; JSON has no functions. */
export function isTokenTable(value: unknown): value is TokenTable & JsonObject {
  return isJsonObject(value) && typeof value.find === 'function'
}

/** @param capacity  how many tokens there will be, about */
export function makeTokenTable(capacity: number): TokenTable {
  let bits = 4
  while (1 << bits < 2 * capacity) bits++
  const tokens: string[] = []
  const hashes: number[] = []
  const ids: number[] = []
  /** By hash: the place of a token in the lists, or -1. */
  let slots = new Int32Array(1 << bits).fill(-1)

  const slotOf = (
    hash: number,
    text: string,
    start: number,
    end: number,
    then: number,
    last: number,
  ): number => {
    const mask = slots.length - 1
    let slot = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> (32 - bits)
    for (; slots[slot] >= 0; slot = (slot + 1) & mask) {
      const place = slots[slot]
      if (hashes[place] !== hash) continue
      const token = tokens[place]
      const first = end - start
      if (token.length !== first + last - then) continue
      if (isAt(text, start, token, 0, first) && isAt(text, then, token, first, token.length)) break
    }
    return slot
  }
  const find: TokenTable['find'] = (text, start, end, then = 0, last = 0) => {
    const hash = hashOf(text, then, last, hashOf(text, start, end, 0x11c9dc5))
    const place = slots[slotOf(hash, text, start, end, then, last)]
    return place < 0 ? -1 : ids[place]
  }
  const grow = (): void => {
    bits++
    slots = new Int32Array(1 << bits).fill(-1)
    tokens.forEach((token, place) => (slots[slotOf(hashes[place], token, 0, token.length, 0, 0)] = place))
  }
  return {
    get size() {
      return tokens.length
    },
    get(token) {
      const id = find(token, 0, token.length)
      return id < 0 ? undefined : id
    },
    find,
    set(text, start, end, id) {
      const hash = hashOf(text, start, end, 0x11c9dc5)
      const slot = slotOf(hash, text, start, end, 0, 0)
      if (slots[slot] >= 0) {
        ids[slots[slot]] = id
        return
      }
      slots[slot] = tokens.length
      tokens.push(ownCopy(text.slice(start, end)))
      hashes.push(hash)
      ids.push(id)
      if (2 * tokens.length > slots.length) grow()
    },
    entries: () => tokens.map((token, place) => [token, ids[place]] as const),
  }
}

function hashOf(text: string, start: number, end: number, before: number): number {
  let hash = before
  for (let at = start; at < end; at++) hash = Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)
  return hash
}

/** Whether a text has some of a token's characters at a place. */
function isAt(text: string, start: number, token: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (text.charCodeAt(start + i - from) !== token.charCodeAt(i)) return false
  return true
}
