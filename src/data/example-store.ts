import type { SpanStatus } from '../chat/index.ts'
import type { TokenSpan } from '../tokenizer/index.ts'
import type { Example } from './example.ts'
import type { Origin } from './row.ts'
import { statusNames } from './span-statuses.ts'
import { createTokenArenas } from './token-arenas.ts'

/**
 * Examples in little memory: about 50 bytes each and at most 33 MiB of tokens, so that a whole data set can be shuffled; older
 * tokens wait in a temporary file. What `get` returns may share its token ids with the store.
 */
export interface ExampleStore {
  /** Number of examples. */
  readonly count: number
  readonly tokens: number
  readonly learnedTokens: number
  /** Tokens of each example, in order. */
  readonly lengths: Int32Array
  /** How many spans have each status. */
  readonly statuses: Readonly<Record<SpanStatus, number>>
  add(example: Example): void
  get(index: number): Example
}

/** An empty store. */
export function createExampleStore(): ExampleStore {
  const tokens = createTokenArenas()
  const where = growing((size) => new Int32Array(size)) // [example] → arena
  const offset = growing((size) => new Int32Array(size)) // [example] → first token in the arena
  const length = growing((size) => new Int32Array(size)) // [example] → tokens
  const spanStart = growing((size) => new Float64Array(size)) // [example] → first number in `spans`
  const spans = growing((size) => new Int32Array(size)) // message, start, end, status; four numbers a span
  const origins = originStore()
  const statuses: Record<SpanStatus, number> = {
    marked: 0,
    proved: 0,
    aligned: 0,
    inferred: 0,
    dropped: 0,
    'no-stop': 0,
  }
  const totals = { tokens: 0, learned: 0 }

  function readSpans(index: number): TokenSpan[] {
    const end = index + 1 < length.size ? spanStart.values[index + 1] : spans.size
    const found: TokenSpan[] = []
    for (let at = spanStart.values[index]; at < end; at += 4) {
      const [message, start, stop, status] = spans.values.subarray(at, at + 4)
      found.push({ message, start, end: stop, status: statusNames[status] })
    }
    return found
  }

  return {
    get count() {
      return length.size
    },
    get tokens() {
      return totals.tokens
    },
    get learnedTokens() {
      return totals.learned
    },
    get lengths() {
      return length.values.subarray(0, length.size)
    },
    statuses,
    add({ inputIds, mask, spans: learned, origin }) {
      const place = tokens.add(inputIds, mask)
      // The first token of an example is never a target; every other learned one is.
      for (let i = 1; i < mask.length; i++) if (mask[i] !== 0) totals.learned++
      where.push(place.arena)
      offset.push(place.offset)
      length.push(inputIds.length)
      spanStart.push(spans.size)
      for (const { message, start, end, status } of learned) {
        for (const value of [message, start, end, statusNames.indexOf(status)]) spans.push(value)
        statuses[status]++
      }
      origins.push(origin)
      totals.tokens += inputIds.length
    },
    get(index) {
      if (!(index >= 0 && index < length.size)) throw new RangeError(`example ${index} of ${length.size}`)
      const place = { arena: where.values[index], offset: offset.values[index] }
      const { ids, mask } = tokens.read(place, length.values[index])
      return {
        inputIds: ids,
        mask,
        spans: readSpans(index),
        origin: origins.get(index),
      }
    },
  }
}

/** A typed array that doubles when it is full. */
function growing<A extends Int32Array | Float64Array>(make: (size: number) => A) {
  const list = {
    values: make(1024),
    size: 0,
    push(value: number) {
      if (list.size === list.values.length) {
        const larger = make(2 * list.size)
        larger.set(list.values)
        list.values = larger
      }
      list.values[list.size++] = value
    },
  }
  return list
}

/** Origins without an object for each: file, line and row as numbers, -1 where there is none. */
function originStore() {
  const files: string[] = []
  const fileIds = new Map<string, number>()
  const numbers = growing((size) => new Int32Array(size)) // file, line, row
  return {
    push({ file, line, row }: Origin) {
      let id = fileIds.get(file)
      if (id === undefined) {
        id = files.push(file) - 1
        fileIds.set(file, id)
      }
      for (const value of [id, line ?? -1, row ?? -1]) numbers.push(value)
    },
    get(index: number): Origin {
      const [file, line, row] = numbers.values.subarray(3 * index, 3 * index + 3)
      return { file: files[file], ...(line < 0 ? {} : { line }), ...(row < 0 ? {} : { row }) }
    },
  }
}
