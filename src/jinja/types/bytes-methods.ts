import { decodeBytes } from './codecs.ts'
import { Fault } from '../fault.ts'
import { iterate } from './iteration.ts'
import { expandTabs, justify, partition, replaceText, zeroFill } from './pad.ts'
import { spendCharacterWork } from '../meter.ts'
import { countArgument, method, strArgument, type Method } from './method.ts'
import { asInteger, indexArgument } from './numbers.ts'
import { countText, findText, hasAffix, indexOrFail } from './search.ts'
import { split, strip } from './split.ts'
import {
  characters,
  concatTexts,
  mapText,
  plain,
  sliceText,
  sourceAt,
  TextBuilder,
  type Str,
} from './text.ts'
import { bare, isStr, PyBytes, PyList, PyTuple, typeName, type Value } from './values.ts'

type BytesMethod = Method<PyBytes>

const bytesMethod = (parameters: string, call: BytesMethod['call']): BytesMethod =>
  method<PyBytes>(parameters, call)

/** A method that makes bytes of the bytes' characters. */
function changing(parameters: string, change: (self: Str, given: (Value | undefined)[]) => Str): BytesMethod {
  return bytesMethod(parameters, (self, given) => new PyBytes(change(self.text, given)))
}

/** The characters of a bytes argument. */
function bytesArgument(value: Value | undefined): Str {
  const stripped = bare(value ?? null)
  if (stripped instanceof PyBytes) return stripped.text
  throw new Fault('TypeError', `a bytes-like object is required, not '${typeName(stripped)}'`)
}

function optionalBytes(value: Value | undefined): string | undefined {
  return value === undefined || bare(value) === null ? undefined : plain(bytesArgument(value))
}

/** What is searched for: bytes, or one byte as an int. */
export function bytesOrByte(value: Value | undefined): string {
  const integer = asInteger(value ?? null)
  if (integer === undefined) return plain(bytesArgument(value))
  if (integer < 0 || integer > 255) throw new Fault('ValueError', 'byte must be in range(0, 256)')
  return String.fromCharCode(Number(integer))
}

const lowerAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
const upperAscii = (text: string): string => text.replace(/[a-z]/g, (letter) => letter.toUpperCase())

function titleAscii(self: Str): Str {
  const value = plain(self)
  return mapText(self, () =>
    value.replace(/[A-Za-z]+/g, (word) => upperAscii(word.slice(0, 1)) + lowerAscii(word.slice(1))),
  )
}

const isEvery = (pattern: RegExp): BytesMethod => bytesMethod('', (self) => pattern.test(plain(self.text)))

function affix(side: 'startswith' | 'endswith'): BytesMethod {
  return bytesMethod('prefix, start=, end=, /', (self, [given, start, end]) => {
    const stripped = bare(given ?? null)
    const wanted = stripped instanceof PyTuple ? stripped.items : [stripped]
    return hasAffix(
      plain(self.text),
      wanted.map((item) => plain(bytesArgument(item))),
      [start, end],
      side,
    )
  })
}

function finding(fromRight: boolean, mustFind: boolean): BytesMethod {
  return bytesMethod('sub, start=, end=, /', (self, [sub, start, end]) => {
    const index = findText(plain(self.text), bytesOrByte(sub), [start, end], fromRight)
    return mustFind ? indexOrFail(index) : index
  })
}

function justified(side: 'left' | 'right' | 'center'): BytesMethod {
  return changing('width, fillchar=, /', (self, [width, fill]) =>
    justify(self, indexArgument(width ?? 0), fill === undefined ? ' ' : plain(bytesArgument(fill)), side),
  )
}

const wrapAll = (parts: readonly Str[]): PyBytes[] => parts.map((part) => new PyBytes(part))

function splitting(fromRight: boolean): BytesMethod {
  return bytesMethod('sep=, maxsplit=', (self, [separator, limit]) => {
    const wanted = optionalBytes(separator)
    const most = countArgument(limit, -1)
    if (wanted !== undefined) return new PyList(wrapAll(split(self.text, wanted, most, fromRight)))
    return new PyList(wrapAll(splitAsciiSpace(self.text, most, fromRight)))
  })
}

// White space of bytes is ASCII's; splitting at any other would cut Latin-1 letters' bytes.
function splitAsciiSpace(text: Str, limit: number, fromRight: boolean): Str[] {
  const masked = plain(text).replace(/[\x1c-\x1f\x85\xa0]/g, 'x') // oxlint-disable-line no-control-regex
  const words = split(masked, undefined, limit, fromRight).map(plain)
  const parts: Str[] = []
  let from = 0
  for (const word of words) {
    const start = masked.indexOf(word, from)
    parts.push(sliceText(text, start, start + word.length))
    from = start + word.length
  }
  return parts
}

const asciiSpace = '\t\n\v\f\r '

function stripping(side: 'left' | 'right' | 'both'): BytesMethod {
  return changing('bytes=, /', (self, [set]) => strip(self, optionalBytes(set) ?? asciiSpace, side))
}

function splitLines(self: Str, keepEnds: boolean): Str[] {
  const value = plain(self)
  const lines: Str[] = []
  let start = 0
  for (const match of value.matchAll(/\r\n|[\n\r]/g)) {
    const end = match.index + match[0].length
    lines.push(sliceText(self, start, keepEnds ? end : match.index))
    start = end
  }
  if (start < value.length) lines.push(sliceText(self, start, value.length))
  return lines
}

function parting(fromRight: boolean): BytesMethod {
  return bytesMethod(
    'sep, /',
    (self, [separator]) =>
      new PyTuple(wrapAll(partition(self.text, plain(bytesArgument(separator)), fromRight))),
  )
}

function hexDigits(self: Str, separator: string | undefined, group: number): Str {
  const builder = new TextBuilder()
  const { length } = plain(self)
  const every = Math.abs(group)
  spendCharacterWork(length, 400)
  characters(self).forEach((byte, index) => {
    const left = group > 0 ? length - index : index
    if (separator !== undefined && every > 0 && index > 0 && left % every === 0)
      builder.push(separator, undefined)
    builder.push(plain(byte).charCodeAt(0).toString(16).padStart(2, '0'), sourceAt(byte, 0))
  })
  return builder.finish()
}

function fromHex(value: Value | undefined): PyBytes {
  const text = plain(strArgument(value))
  if (!/^[\t-\r ]*(?:[\da-f]{2}[\t-\r ]*)*$/i.test(text))
    throw new Fault('ValueError', 'non-hexadecimal number found in fromhex() arg')
  const digits = text.replace(/[\t-\r ]/g, '')
  const bytes = Array.from({ length: digits.length / 2 }, (_, index) =>
    String.fromCharCode(Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16)),
  )
  return new PyBytes(bytes.join(''))
}

function translateBytes(self: Str, table: Value | undefined, removed: Value | undefined): Str {
  const map = optionalBytes(table)
  if (map !== undefined && map.length !== 256)
    throw new Fault('ValueError', 'translation table must be 256 characters long')
  const gone = removed === undefined ? '' : plain(bytesArgument(removed))
  const kept = concatTexts(characters(self).filter((byte) => !gone.includes(plain(byte))))
  if (map === undefined) return kept
  return mapText(kept, (value) => Array.from(value, (byte) => map.charAt(byte.charCodeAt(0))).join(''))
}

function makeTable(from: Value | undefined, to: Value | undefined): PyBytes {
  const [source, target] = [plain(bytesArgument(from)), plain(bytesArgument(to))]
  if (source.length !== target.length)
    throw new Fault('ValueError', 'maketrans arguments must have same length')
  const table = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
  Array.from(source).forEach((byte, index) => void (table[byte.charCodeAt(0)] = target.charAt(index)))
  return new PyBytes(table.join(''))
}

/** The methods of Python's bytes. */
export const bytesMethods: ReadonlyMap<string, BytesMethod> = new Map([
  [
    'capitalize',
    changing('', (self) =>
      mapText(self, (value) => upperAscii(value.slice(0, 1)) + lowerAscii(value.slice(1))),
    ),
  ],
  ['center', justified('center')],
  [
    'count',
    bytesMethod('sub, start=, end=, /', (self, [sub, start, end]) =>
      countText(plain(self.text), bytesOrByte(sub), [start, end]),
    ),
  ],
  [
    'decode',
    bytesMethod('encoding=, errors=', (self, [encoding = 'utf-8', errors = 'strict']) =>
      decodeBytes(self, plain(strArgument(encoding)), plain(strArgument(errors))),
    ),
  ],
  ['endswith', affix('endswith')],
  ['expandtabs', changing('tabsize=', (self, [size]) => expandTabs(self, countArgument(size, 8)))],
  ['find', finding(false, false)],
  ['fromhex', bytesMethod('string, /', (_, [value]) => fromHex(value))],
  [
    'hex',
    bytesMethod('sep=, bytes_per_sep=', (self, [separator, group]) => {
      const given = bare(separator ?? null)
      const mark =
        separator === undefined ? undefined : isStr(given) ? plain(given) : plain(bytesArgument(given))
      if (mark !== undefined && mark.length !== 1) throw new Fault('ValueError', 'sep must be length 1.')
      if (mark !== undefined && mark > '\u007f') throw new Fault('ValueError', 'sep must be ASCII.')
      return hexDigits(self.text, mark, countArgument(group, 1))
    }),
  ],
  ['index', finding(false, true)],
  ['isalnum', isEvery(/^[\dA-Za-z]+$/)],
  ['isalpha', isEvery(/^[A-Za-z]+$/)],
  ['isascii', bytesMethod('', (self) => !/[\u0080-\u00ff]/.test(plain(self.text)))],
  ['isdigit', isEvery(/^\d+$/)],
  ['islower', isEvery(/^[^A-Z]*[a-z][^A-Z]*$/)],
  ['isspace', isEvery(/^[\t-\r ]+$/)],
  ['istitle', isEvery(/^[^A-Za-z]*(?:[A-Z][a-z]*(?![A-Za-z])[^A-Za-z]*)+$/)],
  ['isupper', isEvery(/^[^a-z]*[A-Z][^a-z]*$/)],
  [
    'join',
    changing('iterable, /', (self, [items]) =>
      concatTexts(
        iterate(items ?? null).flatMap((item, index) =>
          (index > 0 ? [self] : []).concat(bytesArgument(item)),
        ),
      ),
    ),
  ],
  ['ljust', justified('left')],
  ['lower', changing('', (self) => mapText(self, lowerAscii))],
  ['lstrip', stripping('left')],
  ['maketrans', bytesMethod('frm, to, /', (_, [from, to]) => makeTable(from, to))],
  ['partition', parting(false)],
  [
    'removeprefix',
    changing('prefix, /', (self, [given]) => {
      const prefix = plain(bytesArgument(given))
      return plain(self).startsWith(prefix) ? sliceText(self, prefix.length, plain(self).length) : self
    }),
  ],
  [
    'removesuffix',
    changing('suffix, /', (self, [given]) => {
      const suffix = plain(bytesArgument(given))
      return plain(self).endsWith(suffix) ? sliceText(self, 0, plain(self).length - suffix.length) : self
    }),
  ],
  [
    'replace',
    changing('old, new, count=, /', (self, [old, replacement, count]) =>
      replaceText(self, bytesArgument(old), bytesArgument(replacement), countArgument(count, -1)),
    ),
  ],
  ['rfind', finding(true, false)],
  ['rindex', finding(true, true)],
  ['rjust', justified('right')],
  ['rpartition', parting(true)],
  ['rsplit', splitting(true)],
  ['rstrip', stripping('right')],
  ['split', splitting(false)],
  [
    'splitlines',
    bytesMethod(
      'keepends=',
      (self, [keep]) => new PyList(wrapAll(splitLines(self.text, countArgument(keep, 0) !== 0))),
    ),
  ],
  ['startswith', affix('startswith')],
  ['strip', stripping('both')],
  [
    'swapcase',
    changing('', (self) =>
      mapText(self, (value) =>
        value.replace(/[A-Za-z]/g, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())),
      ),
    ),
  ],
  ['title', changing('', titleAscii)],
  [
    'translate',
    changing('table, /, delete=', (self, [table, removed]) => translateBytes(self, table, removed)),
  ],
  ['upper', changing('', (self) => mapText(self, upperAscii))],
  ['zfill', changing('width, /', (self, [width]) => zeroFill(self, indexArgument(width ?? 0)))],
])
