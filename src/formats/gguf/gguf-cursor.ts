import { readSync } from 'node:fs'
import { FettleError } from '../../error.ts'

/** Reads little-endian values one after the other from an open file. */
export interface Cursor {
  /** Bytes read so far: the absolute position in the file. */
  position(): number
  u8(): number
  i8(): number
  u16(): number
  i16(): number
  u32(): number
  i32(): number
  f32(): number
  f64(): number
  /** A number where it is exact, otherwise a bigint. */
  u64(): number | bigint
  i64(): number | bigint
  /** A u64 that counts or measures something in this file, so it cannot exceed the file's size. */
  count(what: string): number
  string(what: string): string
}

const windowBytes = 1 << 20

/** More than any chat template or tokenizer has. */
const mostStringBytes = 1 << 26

/**
 * A cursor over a file descriptor. Reads are synchronous, in windows of 1 MiB: headers are a few MiB with
 * hundreds of thousands of values, and a promise for each would take seconds.
 */
export function makeCursor(descriptor: number, path: string, fileBytes: number): Cursor {
  let window = Buffer.alloc(0)
  let windowStart = 0
  let at = 0

  /** Makes the next `length` bytes available and returns their index in the window. */
  const take = (length: number): number => {
    if (at + length > windowStart + window.length) {
      if (at + length > fileBytes)
        throw new FettleError({
          place: path,
          found: `the end of the file at ${fileBytes} bytes, inside its header`,
          expected: `at least ${at + length}`,
          cure: 'The file is incomplete or damaged: download or save it again.',
        })
      window = Buffer.alloc(Math.min(Math.max(length, windowBytes), fileBytes - at))
      windowStart = at
      for (let done = 0; done < window.length;) {
        const read = readSync(descriptor, window, done, window.length - done, at + done)
        if (read === 0) throw new FettleError({ place: path, found: 'a file that shrank while it was read' })
        done += read
      }
    }
    const index = at - windowStart
    at += length
    return index
  }
  const exact = (value: bigint): number | bigint =>
    Number.isSafeInteger(Number(value)) ? Number(value) : value
  const u64 = () => {
    const index = take(8)
    return exact(window.readBigUInt64LE(index))
  }
  const count = (what: string) => {
    const value = u64()
    if (typeof value === 'bigint' || value > fileBytes)
      throw new FettleError({
        place: path,
        found: `${value} as ${what}`,
        expected: `at most ${fileBytes}, the size of the file`,
        cure: 'The file is damaged: download or save it again.',
      })
    return value
  }
  // `take` may replace the window, so the index is computed before the window is read.
  const read = (length: number, get: (index: number) => number) => () => get(take(length))
  return {
    position: () => at,
    u8: read(1, (index) => window.readUInt8(index)),
    i8: read(1, (index) => window.readInt8(index)),
    u16: read(2, (index) => window.readUInt16LE(index)),
    i16: read(2, (index) => window.readInt16LE(index)),
    u32: read(4, (index) => window.readUInt32LE(index)),
    i32: read(4, (index) => window.readInt32LE(index)),
    f32: read(4, (index) => window.readFloatLE(index)),
    f64: read(8, (index) => window.readDoubleLE(index)),
    u64,
    i64: () => {
      const index = take(8)
      return exact(window.readBigInt64LE(index))
    },
    count,
    string: (what) => {
      const length = count(`length of ${what}`)
      if (length > mostStringBytes)
        throw new FettleError({
          place: path,
          found: `${length} bytes as ${what}`,
          expected: `at most ${mostStringBytes}`,
          cure: 'The file is damaged: download or save it again.',
        })
      const index = take(length)
      return window.toString('utf8', index, index + length)
    },
  }
}
