import { createHash } from 'node:crypto'
import type { BlockFile } from './block-file.ts'

/** The examples of a block, wherever it is; `example` counts from 0 in each. */
export interface BlockReader {
  /** [example] tokens */
  lengths(): Int32Array
  /** Where its tokens are. */
  place(example: number): { start: number; length: number }
  /** Token ids. */
  ids(start: number, length: number): Int32Array
  /** Bytes of the mask, a bit a token. */
  bits(first: number, count: number): Uint8Array
  /** message, start, end, status of each span */
  spans(example: number): Int32Array
  /** file, line, row */
  origin(example: number): Int32Array
}

/** A block in a file. */
export interface StoredBlock {
  examples: number
  tokens: number
  spans: number
  /** Of its first byte. */
  at: number
  /** SHA-256 of its parts, where they are checked before they are used. */
  hashes?: { head: string; body: string } | undefined
}

/** The numbers of a block, all little-endian int32 but for the bits: lengths, spanCounts, origins | spans, ids, bits. */
export function layoutOf({ examples, tokens, spans, at }: StoredBlock) {
  const spanCounts = at + 4 * examples
  const origins = spanCounts + 4 * examples
  const body = origins + 12 * examples
  const ids = body + 16 * spans
  const bits = ids + 4 * tokens
  return { lengths: at, spanCounts, origins, body, ids, bits, end: bits + Math.ceil(tokens / 8) }
}

/** Memory for bytes that are only checked: as much anew for each block would keep the garbage collector busy. */
const checkedAtOnce = new Uint8Array(1 << 19)

/**
 * Reads a block where it is. Its lengths are kept until `forget`.
 *
 * @param damaged  makes the error for bytes that are not what was written
 */
export function blockReader(
  file: BlockFile,
  block: StoredBlock,
  damaged: () => Error,
): BlockReader & { forget(): void; isChecked: boolean; check(): void } {
  const layout = layoutOf(block)
  const { examples, hashes } = block
  const unchecked = { head: hashes !== undefined, body: hashes !== undefined }
  let lengths: Int32Array | undefined
  /** [example] its first token */
  let starts: Int32Array | undefined

  function read(at: number, count: number): Int32Array {
    const numbers = new Int32Array(count)
    readInto(new Uint8Array(numbers.buffer), at)
    return numbers
  }
  function readInto(to: Uint8Array, at: number): void {
    if (!file.read(to, at)) throw damaged()
  }
  function checkPart(part: 'head' | 'body', from: number, to: number): void {
    if (!unchecked[part]) return
    const hash = createHash('sha256')
    for (let at = from; at < to; at += checkedAtOnce.length) {
      const bytes = checkedAtOnce.subarray(0, to - at)
      readInto(bytes, at)
      hash.update(bytes)
    }
    if (hash.digest('hex') !== hashes?.[part]) throw damaged()
    unchecked[part] = false
  }
  const checkHead = (): void => checkPart('head', layout.lengths, layout.body)
  const checkBody = (): void => checkPart('body', layout.body, layout.end)
  function readLengths(): Int32Array {
    checkHead()
    return (lengths ??= read(layout.lengths, examples))
  }
  return {
    lengths: readLengths,
    place(example) {
      const sizes = readLengths()
      if (starts === undefined) {
        starts = new Int32Array(examples)
        for (let i = 1; i < examples; i++) starts[i] = starts[i - 1] + sizes[i - 1]
      }
      return { start: starts[example], length: sizes[example] }
    },
    ids(start, length) {
      checkBody()
      return read(layout.ids + 4 * start, length)
    },
    bits(first, count) {
      checkBody()
      const bytes = new Uint8Array(count)
      readInto(bytes, layout.bits + first)
      return bytes
    },
    spans(example) {
      checkHead()
      checkBody()
      const before = read(layout.spanCounts, example + 1)
      const count = before[example]
      const first = before.subarray(0, example).reduce((sum, number) => sum + number, 0)
      return read(layout.body + 16 * first, 4 * count)
    },
    origin(example) {
      checkHead()
      return read(layout.origins + 12 * example, 3)
    },
    forget() {
      lengths = undefined
      starts = undefined
    },
    get isChecked() {
      return !unchecked.head && !unchecked.body
    },
    check() {
      checkHead()
      checkBody()
    },
  }
}
