import type { Example } from '../examples/example.ts'
import { statusNames } from '../examples/span-statuses.ts'
import type { BlockReader } from './block-reader.ts'
import { numberList } from './growing.ts'

/** Tokens of a block, but for a single example that has more: examples never cross blocks. */
const blockTokens = 1 << 20
/** Examples of a block: what is kept in memory of a block that is read is 4 bytes for each. */
const blockExamples = 1 << 14

/** A block in memory, to which examples are added. */
export interface OpenBlock extends BlockReader {
  readonly examples: number
  readonly tokens: number
  /** Whether an example of so many tokens has room. */
  fits(tokens: number): boolean
  /** @param file  number of the origin's file */
  add(example: Example, file: number): void
  /** Its bytes: what is read to find examples, and the examples themselves. */
  sections(): { head: Uint8Array[]; body: Uint8Array[] }
}

/** @param tokens  of the first example */
export function createBlock(tokens: number): OpenBlock {
  const room = Math.max(blockTokens, tokens)
  const ids = new Int32Array(room)
  const bits = new Uint8Array(Math.ceil(room / 8))
  const lengths = numberList()
  const starts = numberList()
  const spanCounts = numberList()
  const spanStarts = numberList()
  const origins = numberList() // file, line, row; -1 where there is none
  const spans = numberList() // message, start, end, status
  let used = 0
  const block: OpenBlock = {
    get examples() {
      return lengths.size
    },
    get tokens() {
      return used
    },
    fits: (more) => used + more <= room && lengths.size < blockExamples,
    add({ inputIds, mask, spans: learned, origin }, file) {
      ids.set(inputIds, used)
      for (let i = 0; i < mask.length; i++) {
        if (mask[i] === 0) continue
        const bit = used + i
        bits[bit >> 3] |= 1 << (bit & 7)
      }
      starts.push(used)
      lengths.push(inputIds.length)
      spanStarts.push(spans.size)
      spanCounts.push(learned.length)
      for (const { message, start, end, status } of learned)
        for (const value of [message, start, end, statusNames.indexOf(status)]) spans.push(value)
      for (const value of [file, origin.line ?? -1, origin.row ?? -1]) origins.push(value)
      used += inputIds.length
    },
    sections: () => ({
      head: [lengths, spanCounts, origins].map(({ values, size }) => bytesOf(values.subarray(0, size))),
      body: [
        bytesOf(spans.values.subarray(0, spans.size)),
        bytesOf(ids.subarray(0, used)),
        bits.subarray(0, Math.ceil(used / 8)),
      ],
    }),
    lengths: () => lengths.values.subarray(0, lengths.size),
    place: (example) => ({ start: starts.values[example], length: lengths.values[example] }),
    ids: (start, length) => ids.subarray(start, start + length),
    bits: (first, count) => bits.subarray(first, first + count),
    spans(example) {
      const start = spanStarts.values[example]
      return spans.values.subarray(start, start + 4 * spanCounts.values[example])
    },
    origin: (example) => origins.values.subarray(3 * example, 3 * example + 3),
  }
  return block
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
