/** A line of a file without its line feed. */
export interface SourceLine {
  bytes: Buffer
  /** 1-based. */
  number: number
}

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
  let chunk: Buffer = Buffer.alloc(0)
  let start = 0
  let number = 0

  function toLine(last: Buffer): SourceLine {
    const bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last])
    pieces = []
    number += 1
    return { bytes, number }
  }

  function takeReady(): SourceLine | undefined {
    const given = waiting.pop()
    if (given !== undefined) return given
    const end = chunk.indexOf(newline, start)
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
        if (start < chunk.length) pieces.push(chunk.subarray(start))
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
