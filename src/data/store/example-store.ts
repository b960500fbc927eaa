import { createHash } from 'node:crypto'
import type { SpanStatus } from '../../chat/index.ts'
import type { Example } from '../examples/example.ts'
import type { Origin } from '../row.ts'
import { statusNames } from '../examples/span-statuses.ts'
import { createTemporaryFile, type BlockFile } from './block-file.ts'
import { blockReader, type BlockReader, type StoredBlock } from './block-reader.ts'
import { createBlock, type OpenBlock } from './open-block.ts'

/** Tokens of each example, in order, read as they are asked for. */
export interface StoredLengths extends Iterable<number> {
  readonly length: number
  /** Of the examples [start, end). */
  slice(start: number, end: number): Int32Array
}

/**
 * Examples in memory that does not grow with their number, so that a whole data set can be shuffled: at most 33 MiB of tokens, and a
 * hundred bytes for each million of the others, which wait in a file. What `get` returns may share its token ids with the store.
 */
export interface ExampleStore {
  /** Number of examples. */
  readonly count: number
  readonly tokens: number
  readonly learnedTokens: number
  readonly lengths: StoredLengths
  /** How many spans have each status. */
  readonly statuses: Readonly<Record<SpanStatus, number>>
  get(index: number): Example
}

/** A store that examples are added to. */
export interface GrowingStore extends ExampleStore {
  add(example: Example): void
  /** Writes what is not in its file yet; nothing is added afterwards. */
  finish(): StoreTable
}

/** What finds the examples of a store in its file. */
export interface StoreTable {
  blocks: StoredBlock[]
  /** The files of origins, by number. */
  files: string[]
  tokens: number
  learnedTokens: number
  statuses: Record<SpanStatus, number>
}

/** Blocks that stay in memory, 4⅛ MiB each, where no file is given. Most data sets need no file. */
const heldBlocks = 8
/** Blocks whose lengths are kept when they are read, at most 128 KiB each. */
const knownBlocks = 256

/**
 * An empty store.
 *
 * @param file  where every block goes as soon as it is full, with its hashes; without it the oldest go to a temporary file
 */
export function createExampleStore(file?: BlockFile): GrowingStore {
  const table: StoreTable = {
    blocks: [],
    files: [],
    tokens: 0,
    learnedTokens: 0,
    statuses: { marked: 0, proved: 0, aligned: 0, inferred: 0, dropped: 0, 'no-stop': 0 },
  }
  const fileIds = new Map<string, number>()
  const held = file === undefined ? heldBlocks : 1
  /** The newest blocks, the last of which is filled. */
  const open: OpenBlock[] = []
  let spillTo = file
  const index = blockIndex()
  const stored = storedBlocks(() => new Error('the file of prepared tokens is shorter than what was written'))

  function spill(block: OpenBlock): void {
    spillTo ??= createTemporaryFile()
    const { head, body } = block.sections()
    const [at] = [...head, ...body].map((bytes) => spillTo?.append(bytes) ?? 0)
    const spans = body[0].length / 16
    const hashes = file && { head: hashOf(head), body: hashOf(body) }
    const entry: StoredBlock = { examples: block.examples, tokens: block.tokens, spans, at, hashes }
    table.blocks.push(entry)
    // What was just written needs no check.
    stored.add(spillTo, { ...entry, hashes: undefined })
  }

  function blockFor(tokens: number): OpenBlock {
    const last = open.at(-1)
    if (last?.fits(tokens)) return last
    if (open.length >= held) {
      const oldest = open.shift()
      if (oldest) spill(oldest)
    }
    const block = createBlock(tokens)
    open.push(block)
    index.begin()
    return block
  }

  const readerOf = (block: number): BlockReader =>
    block < table.blocks.length ? stored.get(block) : open[block - table.blocks.length]
  return Object.assign(readable(index, readerOf, table), {
    add(example: Example) {
      const block = blockFor(example.inputIds.length)
      const { file: name } = example.origin
      let id = fileIds.get(name)
      if (id === undefined) {
        id = table.files.push(name) - 1
        fileIds.set(name, id)
      }
      block.add(example, id)
      index.add()
      // The first token of an example is never a target; every other learned one is.
      const { mask, spans } = example
      for (let i = 1; i < mask.length; i++) if (mask[i] !== 0) table.learnedTokens++
      for (const { status } of spans) table.statuses[status]++
      table.tokens += example.inputIds.length
    },
    finish() {
      if (file !== undefined) for (const block of open.splice(0)) spill(block)
      return table
    },
  })
}

/**
 * The examples that a file holds. A block is checked before anything of it is used.
 *
 * @param damaged  makes the error for a block that is not what was written
 */
export function openExampleStore(
  file: BlockFile,
  table: StoreTable,
  damaged: () => Error,
): ExampleStore & { /** Checks every block, one at a time. */ check(): Generator<void> } {
  const index = blockIndex()
  const stored = storedBlocks(damaged)
  for (const block of table.blocks) {
    index.begin()
    index.add(block.examples)
    stored.add(file, block)
  }
  return Object.assign(readable(index, stored.get, table), {
    *check() {
      for (let block = 0; block < table.blocks.length; block++) {
        stored.get(block).check()
        yield
      }
    },
  })
}

function hashOf(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Which block an example is in. */
function blockIndex() {
  /** [block] its first example */
  const firsts: number[] = []
  let count = 0
  return {
    get count() {
      return count
    },
    begin: () => void firsts.push(count),
    add: (examples = 1) => void (count += examples),
    first: (block: number) => firsts[block],
    blockOf(example: number): number {
      let [low, high] = [0, firsts.length - 1]
      while (low < high) {
        const middle = (low + high + 1) >> 1
        if (firsts[middle] <= example) low = middle
        else high = middle - 1
      }
      return low
    },
  }
}

type BlockIndex = ReturnType<typeof blockIndex>

/** The readers of blocks in a file, of which some keep their lengths. */
function storedBlocks(damaged: () => Error) {
  const readers: ReturnType<typeof blockReader>[] = []
  const known = new Set<number>()
  return {
    add: (file: BlockFile, block: StoredBlock) => void readers.push(blockReader(file, block, damaged)),
    get(block: number) {
      if (!known.has(block)) {
        known.add(block)
        const [oldest] = known
        if (known.size > knownBlocks) {
          known.delete(oldest)
          readers[oldest].forget()
        }
      }
      return readers[block]
    },
  }
}

/** What is read of a store, wherever its blocks are. */
function readable(
  index: BlockIndex,
  readerOf: (block: number) => BlockReader,
  table: StoreTable,
): ExampleStore {
  function originOf(numbers: Int32Array): Origin {
    const [file, line, row] = numbers
    return { file: table.files[file], ...(line < 0 ? {} : { line }), ...(row < 0 ? {} : { row }) }
  }
  function* eachLength(): Generator<number> {
    for (let start = 0; start < index.count;) {
      const lengths = readerOf(index.blockOf(start)).lengths()
      yield* lengths
      start += lengths.length
    }
  }
  return {
    get count() {
      return index.count
    },
    get tokens() {
      return table.tokens
    },
    get learnedTokens() {
      return table.learnedTokens
    },
    statuses: table.statuses,
    lengths: {
      get length() {
        return index.count
      },
      slice(start, end) {
        const all = new Int32Array(Math.max(0, end - start))
        for (let example = start; example < end;) {
          const block = index.blockOf(example)
          const first = index.first(block)
          const lengths = readerOf(block)
            .lengths()
            .subarray(example - first, end - first)
          all.set(lengths, example - start)
          example += lengths.length
        }
        return all
      },
      [Symbol.iterator]: eachLength,
    },
    get(example) {
      if (!(example >= 0 && example < index.count))
        throw new RangeError(`example ${example} of ${index.count}`)
      const block = index.blockOf(example)
      const reader = readerOf(block)
      const at = example - index.first(block)
      const { start, length } = reader.place(at)
      const firstByte = start >> 3
      const bits = reader.bits(firstByte, ((start + length + 7) >> 3) - firstByte)
      const mask = new Uint8Array(length)
      for (let i = 0; i < length; i++) {
        const bit = (start & 7) + i
        mask[i] = (bits[bit >> 3] >> (bit & 7)) & 1
      }
      return {
        inputIds: reader.ids(start, length),
        mask,
        get spans() {
          const numbers = reader.spans(at)
          return Array.from({ length: numbers.length / 4 }, (_, i) => {
            const [message, from, to, status] = numbers.subarray(4 * i, 4 * i + 4)
            return { message, start: from, end: to, status: statusNames[status] }
          })
        },
        origin: originOf(reader.origin(at)),
      }
    },
  }
}
