import { Fault } from '../fault.ts'
import { spendCharacters, spendCharacterWork } from '../meter.ts'
import { windows1252Letters } from './html-entities.ts'
import { plain, sourceAt, TextBuilder, type Str } from './text.ts'
import { PyBytes } from './values.ts'

/** How a codec writes one code point and reads the next one. */
interface Codec {
  /** What encoding begins with. */
  readonly mark: string
  /** The bytes of a code point; `undefined` where the codec has none. */
  encode(code: number): string | undefined
  /** The code point at an offset and the bytes it takes; a negative code is an error over so many bytes. */
  decode(bytes: string, offset: number): { code: number; size: number }
}

const invalid = (size: number): { code: number; size: number } => ({ code: -1, size: Math.max(1, size) })
const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff

function singleByte(limit: number): Codec {
  return {
    mark: '',
    encode: (code) => (code < limit ? String.fromCharCode(code) : undefined),
    decode(bytes, offset) {
      const code = bytes.charCodeAt(offset)
      return code < limit ? { code, size: 1 } : invalid(1)
    },
  }
}

const utf8: Codec = {
  mark: '',
  encode(code) {
    if (isSurrogate(code)) return undefined
    return String.fromCharCode(...new TextEncoder().encode(String.fromCodePoint(code)))
  },
  decode(bytes, offset) {
    const first = bytes.charCodeAt(offset)
    if (first < 0x80) return { code: first, size: 1 }
    const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    if (first < 0xc2 || first > 0xf4) return invalid(1)
    let code = first & (0x7f >> size)
    for (let index = 1; index < size; index += 1) {
      const byte = bytes.charCodeAt(offset + index)
      // The first of the following bytes must not make the form too long, a surrogate, or a code that is too large.
      const low = index === 1 ? ({ 0xe0: 0xa0, 0xf0: 0x90 }[first] ?? 0x80) : 0x80
      const high = index === 1 ? ({ 0xed: 0x9f, 0xf4: 0x8f }[first] ?? 0xbf) : 0xbf
      if (!(byte >= low && byte <= high)) return invalid(index)
      code = (code << 6) | (byte & 0x3f)
    }
    return { code, size }
  },
}

function unit(code: number, width: 2 | 4, isLittle: boolean): string {
  const bytes = Array.from({ length: width }, (_, index) => (code >>> (8 * index)) & 0xff)
  return String.fromCharCode(...(isLittle ? bytes : bytes.toReversed()))
}

function readUnit(bytes: string, offset: number, width: 2 | 4, isLittle: boolean): number {
  let code = 0
  for (let index = 0; index < width; index += 1) {
    const byte = bytes.charCodeAt(offset + (isLittle ? width - 1 - index : index))
    code = code * 256 + byte
  }
  return code
}

function utf16(isLittle: boolean, mark = ''): Codec {
  return {
    mark,
    encode(code) {
      if (isSurrogate(code)) return undefined
      const text = String.fromCodePoint(code)
      return Array.from({ length: text.length }, (_, index) =>
        unit(text.charCodeAt(index), 2, isLittle),
      ).join('')
    },
    decode(bytes, offset) {
      if (offset + 2 > bytes.length) return invalid(1)
      const high = readUnit(bytes, offset, 2, isLittle)
      if (!isSurrogate(high)) return { code: high, size: 2 }
      if (high >= 0xdc00) return invalid(2)
      if (offset + 4 > bytes.length) return invalid(bytes.length - offset)
      const low = readUnit(bytes, offset + 2, 2, isLittle)
      if (low < 0xdc00 || low > 0xdfff) return invalid(2)
      return { code: 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), size: 4 }
    },
  }
}

function utf32(isLittle: boolean, mark = ''): Codec {
  return {
    mark,
    encode: (code) => (isSurrogate(code) ? undefined : unit(code, 4, isLittle)),
    decode(bytes, offset) {
      if (offset + 4 > bytes.length) return invalid(bytes.length - offset)
      const code = readUnit(bytes, offset, 4, isLittle)
      return code > 0x10ffff || isSurrogate(code) ? invalid(4) : { code, size: 4 }
    },
  }
}

const windows1252: Codec = {
  mark: '',
  encode(code) {
    if (code < 0x80 || (code >= 0xa0 && code <= 0xff)) return String.fromCharCode(code)
    const index = windows1252Letters.indexOf(String.fromCodePoint(code))
    return index === -1 || code < 0x100 ? undefined : String.fromCharCode(0x80 + index)
  },
  decode(bytes, offset) {
    const byte = bytes.charCodeAt(offset)
    if (byte < 0x80 || byte >= 0xa0) return { code: byte, size: 1 }
    const code = windows1252Letters.charCodeAt(byte - 0x80)
    return code < 0x100 ? invalid(1) : { code, size: 1 }
  },
}

const codecs: ReadonlyMap<string, Codec> = new Map([
  ['utf8', utf8],
  ['utf8sig', { ...utf8, mark: '\u00ef\u00bb\u00bf' }],
  ['ascii', singleByte(0x80)],
  ['latin1', singleByte(0x100)],
  ['cp1252', windows1252],
  ['utf16', utf16(true, '\u00ff\u00fe')],
  ['utf16le', utf16(true)],
  ['utf16be', utf16(false)],
  ['utf32', utf32(true, '\u00ff\u00fe\0\0')],
  ['utf32le', utf32(true)],
  ['utf32be', utf32(false)],
])

const aliases: Readonly<Record<string, string>> = {
  u8: 'utf8',
  utf: 'utf8',
  cp65001: 'utf8',
  usascii: 'ascii',
  us: 'ascii',
  '646': 'ascii',
  iso88591: 'latin1',
  '88591': 'latin1',
  iso8859: 'latin1',
  l1: 'latin1',
  latin: 'latin1',
  cp819: 'latin1',
  windows1252: 'cp1252',
  '1252': 'cp1252',
  u16: 'utf16',
  u32: 'utf32',
}

function findCodec(name: string): { key: string; codec: Codec } {
  const simple = name.toLowerCase().replace(/[-_ ]/g, '')
  const key = Object.hasOwn(aliases, simple) ? (aliases[simple] ?? simple) : simple
  const codec = codecs.get(key)
  if (codec === undefined)
    throw new Fault(
      'LookupError',
      `unknown encoding: ${name} (known are utf-8, utf-16, utf-32, ascii, latin-1, cp1252)`,
    )
  return { key, codec }
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')

function backslashed(code: number): string {
  if (code <= 0xff) return `\\x${hex(code, 2)}`
  return code <= 0xffff ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

/** What an error handler puts in place of a code point that the codec cannot write. */
function encodeError(code: number, errors: string, codec: Codec): string {
  const inCodec = (text: string): string =>
    Array.from(text, (item) => codec.encode(item.codePointAt(0) ?? 0)).join('')
  switch (errors) {
    case 'ignore':
      return ''
    case 'replace':
      return inCodec('?')
    case 'xmlcharrefreplace':
      return inCodec(`&#${code};`)
    case 'backslashreplace':
      return inCodec(backslashed(code))
    case 'surrogateescape':
      if (code >= 0xdc80 && code <= 0xdcff) return String.fromCharCode(code - 0xdc00)
      break
    case 'surrogatepass':
    case 'strict':
      break
    default:
      throw new Fault('LookupError', `unknown error handler name '${errors}'`)
  }
  throw new Fault('ValueError', `the codec can't encode character '${backslashed(code)}'`)
}

/** Python's str.encode; each byte belongs to whoever wrote its character. */
export function encodeText(text: Str, encoding: string, errors: string): PyBytes {
  const { codec } = findCodec(encoding)
  const builder = new TextBuilder()
  builder.push(codec.mark, undefined)
  spendCharacterWork(plain(text).length, 250)
  let offset = 0
  for (const character of plain(text)) {
    const code = character.codePointAt(0) ?? 0
    builder.push(codec.encode(code) ?? encodeError(code, errors, codec), sourceAt(text, offset))
    offset += character.length
  }
  spendCharacters(builder.length)
  return new PyBytes(builder.finish())
}

function decodeError(bytes: string, errors: string): string {
  if (errors === 'ignore') return ''
  if (errors === 'replace') return '\ufffd'
  const each = (map: (byte: number) => string): string =>
    Array.from(bytes, (byte) => map(byte.charCodeAt(0))).join('')
  if (errors === 'backslashreplace') return each((byte) => `\\x${hex(byte, 2)}`)
  if (errors === 'surrogateescape')
    return each((byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte))
  if (errors === 'strict' || errors === 'surrogatepass')
    throw new Fault('ValueError', `the codec can't decode byte 0x${hex(bytes.charCodeAt(0), 2)}`)
  throw new Fault('LookupError', `unknown error handler name '${errors}'`)
}

/** Python's bytes.decode; each character belongs to whoever wrote its first byte. */
export function decodeBytes({ text }: PyBytes, encoding: string, errors: string): Str {
  // Python asks for no codec when there is nothing to read.
  if (plain(text) === '') return ''
  const { key, codec: named } = findCodec(encoding)
  const bytes = plain(text)
  spendCharacterWork(bytes.length, 100)
  let codec = named
  let offset = 0
  const isMarked = codec.mark !== '' && bytes.startsWith(codec.mark)
  if (isMarked) offset = codec.mark.length
  else if (key === 'utf16' && bytes.startsWith('\u00fe\u00ff')) [codec, offset] = [utf16(false), 2]
  else if (key === 'utf32' && bytes.startsWith('\0\0\u00fe\u00ff')) [codec, offset] = [utf32(false), 4]
  const builder = new TextBuilder()
  while (offset < bytes.length) {
    const { code, size } = codec.decode(bytes, offset)
    const character =
      code < 0 ? decodeError(bytes.slice(offset, offset + size), errors) : String.fromCodePoint(code)
    builder.push(character, sourceAt(text, offset))
    offset += size
  }
  spendCharacters(builder.length)
  return builder.finish()
}
