/** A line of a file without its line feed. */
export interface SourceLine {
  bytes: Buffer
  /** 1-based. */
  number: number
  /** Whether it has more bytes than a text can have characters; there are none of them here then. */
  isTooLong?: true
}

/** Most bytes of a line, or of one value: a text holds about so many characters. */
export const mostBytes = 1 << 29

/** The lines of a file, one after the other; some may be given back to be read again. */
export interface LineSource {
  /** The next line, where it is in memory already: waiting for each would cost more than reading it. */
  takeReady(): SourceLine | undefined
  next(): Promise<SourceLine | undefined>
  giveBack(lines: readonly SourceLine[]): void
}

const newline = 10

/** Cuts chunks at line feeds; a line of any length takes linear time. */
export function createLineSource(chunks: AsyncIterable<Buffer>): LineSource {
  const source = chunks[Symbol.asyncIterator]()
  /** Lines that were given back, the next one last. */
  const waiting: SourceLine[] = []
  /** Beginning of a line that goes on in the next chunk. */
  let pieces: Buffer[] = []
  let pieceBytes = 0
  /** Whether the rest of a line that is too long is passed over. */
  let isPassing = false
  let chunk: Buffer = Buffer.alloc(0)
  let start = 0
  let number = 0

  function toLine(last: Buffer): SourceLine {
    const bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last])
    pieces = []
    pieceBytes = 0
    number += 1
    return { bytes, number }
  }

  /** A line that never ends takes no more memory than the longest one. */
  function tooLong(): SourceLine {
    pieces = []
    pieceBytes = 0
    number += 1
    isPassing = true
    return { bytes: Buffer.alloc(0), number, isTooLong: true }
  }

  function takeReady(): SourceLine | undefined {
    const given = waiting.pop()
    if (given !== undefined) return given
    let end = chunk.indexOf(newline, start)
    if (isPassing && end >= 0) {
      isPassing = false
      start = end + 1
      end = chunk.indexOf(newline, start)
    }
    if (end < 0) return undefined
    const line = toLine(chunk.subarray(start, end))
    start = end + 1
    return line
  }

  return {
    takeReady,
    async next() {
      for (;;) {
        const ready = takeReady()
        if (ready !== undefined) return ready
        if (start < chunk.length && !isPassing) {
          pieces.push(chunk.subarray(start))
          pieceBytes += chunk.length - start
          chunk = Buffer.alloc(0)
          if (pieceBytes > mostBytes) return tooLong()
        }
        const { value, done } = await source.next()
        chunk = done === true ? Buffer.alloc(0) : value
        start = 0
        if (done === true) return pieces.length === 0 ? undefined : toLine(Buffer.alloc(0))
      }
    },
    giveBack(lines) {
      for (const line of lines.toReversed()) waiting.push(line)
    },
  }
}
