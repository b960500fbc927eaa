import { decodeHTML } from 'entities'
import { spendCharacterWork } from '../meter.ts'
import { split } from './split.ts'
import { concatTexts, plain, runsOf, sliceText, sourceAt, TextBuilder, type Str } from './text.ts'

const reference = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g

/** The characters of Windows-1252 from 0x80 to 0x9f, as HTML reads their numbers; unused ones stand for themselves. */
export const windows1252Letters = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

function characterOf(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd'
  if (code >= 0x80 && code <= 0x9f) return windows1252Letters.charAt(code - 0x80)
  const isControl = (code < 0x20 && !'\t\n\f\r'.includes(String.fromCodePoint(code))) || code === 0x7f
  const isNoncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe
  return isControl || isNoncharacter ? '' : String.fromCodePoint(code)
}

function decode(whole: string): string {
  const body = whole.slice(1).replace(/;$/, '')
  if (!body.startsWith('#')) return decodeHTML(whole)
  const isHex = /^#x/i.test(body)
  const code = Number.parseInt(body.slice(isHex ? 2 : 1), isHex ? 16 : 10)
  return characterOf(code)
}

/** Python's html.unescape; a character belongs to whoever wrote its reference. */
export function unescapeHtml(text: Str): Str {
  const value = plain(text)
  if (!value.includes('&')) return text
  const builder = new TextBuilder()
  let offset = 0
  for (const match of value.matchAll(reference)) {
    builder.append(sliceText(text, offset, match.index))
    offset = match.index + match[0].length
    const decoded = decode(match[0])
    if (decoded === match[0]) builder.append(sliceText(text, match.index, offset))
    else builder.push(decoded, sourceAt(text, match.index))
  }
  builder.append(sliceText(text, offset, value.length))
  return builder.finish()
}

/** markupsafe's striptags: without comments, tags and repeated white space, entities decoded. */
export function stripTags(text: Str): Str {
  const source = plain(text)
  const pieces: Str[] = []
  let offset = 0
  for (let start = source.indexOf('<'); start !== -1; start = source.indexOf('<', offset)) {
    const isComment = source.startsWith('<!--', start)
    const end = isComment ? source.indexOf('-->', start + 4) : source.indexOf('>', start)
    if (end === -1) break
    pieces.push(sliceText(text, offset, start))
    offset = end + (isComment ? 3 : 1)
  }
  pieces.push(sliceText(text, offset, source.length))
  const words = split(concatTexts(pieces), undefined, -1, false)
  return unescapeHtml(concatTexts(words.flatMap((word, index) => (index > 0 ? [' ', word] : [word]))))
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
}

/** markupsafe's replacements, each entity owned by whoever wrote the character. */
export function escapeHtml(text: Str): Str {
  const value = plain(text)
  if (!/[&<>'"]/.test(value)) return text
  spendCharacterWork(value.length, 8)
  const builder = new TextBuilder()
  let start = 0
  for (const { end, source } of runsOf(text)) {
    builder.push(
      value.slice(start, end).replace(/[&<>'"]/g, (character) => entities[character] ?? character),
      source,
    )
    start = end
  }
  return builder.finish()
}
