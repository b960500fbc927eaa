import { FettleError } from '../../error.ts'
import { parseJson, type Position } from './parse.ts'
import type { JsonRecord, RecordOptions } from './record.ts'
import { createValueScanner, isOpening } from './scanner.ts'
import { decodeUtf8 } from '../text.ts'

const [openList, openObject, comma] = Buffer.from('[{,')

/**
 * Values one behind the other, of which lists are read item by item. The bytes are looked at one by one to see where a
 * value ends, so that no more than one is held.
 *
 * @param firstLine  line of the first byte, 1-based
 * @throws FettleError at the first value that is no JSON, unless `onInvalid` takes it; at one that does not end
 */
export async function* readJsonValues(
  path: string,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  { isPartOfOne, onInvalid }: RecordOptions,
  firstLine = 1,
): AsyncGenerator<JsonRecord> {
  const scanner = createValueScanner()
  const piece = createPiece(path, firstLine, onInvalid)
  /** The bracket of the value that is open, and what is known of it where it is a list. */
  let opened: number | undefined
  let openedLine = firstLine
  let whole: unknown[] | undefined
  let items = 0
  let item = 0

  function* takeItem(isLast: boolean): Generator<JsonRecord> {
    // Nothing stands between the brackets of an empty list.
    if (isLast && items === 0 && piece.isBlank) return piece.drop()
    const record = piece.parse(1)
    const isFirst = items === 0
    items += 1
    if (record === undefined) return
    if (isFirst && isPartOfOne?.(record.value) === true) whole = []
    if (whole === undefined) yield { ...record, item: item++ }
    else whole.push(record.value)
  }

  for await (const chunk of chunks) {
    let from = 0
    for (const border of scanner.push(chunk)) {
      const byte = chunk[border]
      if (opened === undefined) {
        if (!isOpening(byte)) continue
        piece.add(chunk.subarray(from, border))
        piece.refuseText(byte === openList ? 1 : 0)
        opened = byte
        openedLine = piece.line
        items = 0
        from = byte === openList ? border + 1 : border
      } else if (opened === openObject) {
        if (byte === comma) continue
        piece.add(chunk.subarray(from, border + 1))
        const record = piece.parse()
        if (record !== undefined) yield record
        opened = undefined
        from = border + 1
      } else {
        piece.add(chunk.subarray(from, border))
        yield* takeItem(byte !== comma)
        if (byte !== comma) {
          if (whole !== undefined) yield { value: whole, line: openedLine }
          whole = undefined
          opened = undefined
        }
        from = border + 1
      }
    }
    piece.add(chunk.subarray(from))
  }
  if (opened === undefined) return piece.refuseText()
  throw new FettleError({
    place: `${path}:${openedLine}`,
    found: `not JSON: the ${opened === openList ? 'list' : 'object'} that begins here does not end`,
    expected: opened === openList ? 'a closing ]' : 'a closing }',
    cure: 'The file may have been cut off: make it anew.',
  })
}

/** Bytes of one value, collected from chunks, with the place where they stand. */
function createPiece(path: string, firstLine: number, onInvalid: RecordOptions['onInvalid']) {
  let parts: Buffer[] = []
  let line = firstLine
  /** Characters before these bytes in their line. */
  let column = 0
  const decode = (bytes: Buffer): string => decodeUtf8(bytes, `${path}:${line}`, line === 1 && column === 0)

  /** The text of the bytes and where it begins; `passed` characters behind them, a bracket or a comma, are passed over. */
  function take(passed: number): { text: string; at: Position } {
    const text = decode(Buffer.concat(parts))
    const at = { line, column }
    parts = []
    const lastBreak = text.lastIndexOf('\n')
    if (lastBreak >= 0) line += text.split('\n').length - 1
    column = (lastBreak < 0 ? column + text.length : text.length - lastBreak - 1) + passed
    return { text, at }
  }

  function parse(passed = 0): JsonRecord | undefined {
    try {
      const { text, at } = take(passed)
      if (text.trim() === '')
        throw new FettleError({
          place: `${path}:${at.line}`,
          found: `not JSON: a comma with no value beside it (column ${at.column})`,
          expected: 'a value',
          cure: 'Take the comma out.',
        })
      const space = /^\s*/.exec(text)?.[0] ?? ''
      return { value: parseJson(text, path, at), line: at.line + space.split('\n').length - 1 }
    } catch (error) {
      if (onInvalid === undefined || !(error instanceof FettleError)) throw error
      parts = []
      onInvalid(error)
      return undefined
    }
  }

  return {
    add(bytes: Buffer): void {
      if (bytes.length > 0) parts.push(bytes)
    },
    get isBlank() {
      return parts.every((part) => part.toString('utf8').trim() === '')
    },
    /** Line of the next byte that is not taken yet. */
    get line() {
      return line
    },
    drop(): void {
      take(1)
    },
    /** The value that the bytes are, which are taken; undefined where `onInvalid` was told of it. */
    parse,
    /** Takes what stands outside of values, which should be white space. */
    refuseText(passed = 0): void {
      if (this.isBlank) take(passed)
      else parse(passed)
    },
  }
}
