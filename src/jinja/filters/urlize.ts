import { Fault } from '../fault.ts'
import { isGiven } from './shared.ts'
import { iterate, truth } from '../types/iteration.ts'
import { escapeValue } from '../types/markup.ts'
import { spendCharacterWork } from '../meter.ts'
import { compareValues } from '../types/compare.ts'
import { getItem, Slice } from '../types/access.ts'
import { codePointLength, concatTexts, plain, sliceText, withoutMarkup, type Str } from '../types/text.ts'
import { bare, isStr, typeName, type Value } from '../types/values.ts'
import { isSpace, split } from '../types/split.ts'
import { compareCodePoints } from '../types/json.ts'

// jinja2's expressions, with Python's \w and \d written out.
const word = String.raw`[\p{L}\p{N}_]`
const http = new RegExp(
  String.raw`^(?:(?:https?:\/\/|www\.)(?:(?:[\p{L}\p{N}_%\-]+\.)+)?(?:[a-z]{2,63}|xn--[\p{L}\p{N}_%]{2,59})` +
    String.raw`|(?:[\p{L}\p{N}_%\-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil)` +
    String.raw`|https?:\/\/(?:\p{Nd}{1,3}(?:\.\p{Nd}{1,3}){3}|\[(?:[\p{Nd}a-f]{0,4}:){2}(?:[\p{Nd}a-f]{0,4}:?){1,6}\]))` +
    String.raw`(?::\p{Nd}{1,5})?(?:[\/?#]\S*)?$`,
  'iu',
)
const email = new RegExp(String.raw`^\S+@${word}[\p{L}\p{N}_.\-]*\.${word}+$`, 'u')
const scheme = new RegExp(String.raw`^[\p{L}\p{N}_.+\-]{2,}:\/{0,2}$`, 'u')
const head = /^(?:[(<]|&lt;)+/
const tail = /(?:[)>.,\n]|&gt;)+$/
const brackets: readonly (readonly [string, string])[] = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
]

interface LinkOptions {
  limit: Value | undefined
  /** ` rel="…"` and ` target="…"`. */
  attributes: readonly Str[]
  schemes: readonly string[]
}

function count(value: string, part: string): number {
  return value.split(part).length - 1
}

/** jinja2's urlize; the characters of a link belong to whoever wrote them, in the address as in the label. */
export function urlize([value = null, limit, nofollow, target, rel, extra]: readonly (
  | Value
  | undefined
)[]): Str {
  const relations =
    rel !== undefined && truth(rel) ? split(requireStr(rel), undefined, -1, false).map(plain) : []
  if (nofollow !== undefined && truth(nofollow)) relations.push('nofollow')
  relations.push('noopener')
  const relation = [...new Set(relations)].toSorted(compareCodePoints).join(' ')
  const hasTarget = isGiven(target) && truth(target)
  const options: LinkOptions = {
    limit: isGiven(limit) ? limit : undefined,
    attributes: [
      ' rel="',
      escapeValue(relation),
      '"',
      ...(hasTarget ? [' target="', withoutMarkup(escapeValue(target)), '"'] : []),
    ],
    schemes: isGiven(extra) && truth(extra) ? iterate(extra).map(readScheme) : [],
  }
  const text = withoutMarkup(escapeValue(value))
  spendCharacterWork(plain(text).length, 40)
  return concatTexts(wordsOf(text).flatMap((piece) => linkWord(piece, options)))
}

function requireStr(value: Value): Str {
  const stripped = bare(value)
  if (!isStr(stripped))
    throw new Fault('AttributeError', `'${typeName(stripped)}' object has no attribute 'split'`)
  return stripped
}

function readScheme(value: Value): string {
  const stripped = bare(value)
  if (!isStr(stripped)) throw new Fault('TypeError', `expected string, got '${typeName(stripped)}'`)
  if (!scheme.test(plain(stripped)))
    throw new Fault('FilterArgumentError', `'${plain(stripped)}' is not a valid URI scheme prefix.`)
  return plain(stripped)
}

/** Words and the white space between them. */
function wordsOf(text: Str): Str[] {
  const value = plain(text)
  const words: Str[] = []
  let start = 0
  for (let offset = 1; offset <= value.length; offset += 1) {
    const isEdge =
      offset === value.length || isSpace(value.charAt(offset)) !== isSpace(value.charAt(offset - 1))
    if (!isEdge) continue
    words.push(sliceText(text, start, offset))
    start = offset
  }
  return words
}

function linkWord(text: Str, options: LinkOptions): Str[] {
  const value = plain(text)
  const start = head.exec(value)?.[0].length ?? 0
  let end = value.length - (tail.exec(value.slice(start))?.[0].length ?? 0)
  // An opening bracket inside a link takes its closing one back from the tail.
  for (const [open, close] of brackets) {
    const missing = count(value.slice(start, end), open)
    if (missing <= count(value.slice(start, end), close)) continue
    const most = Math.min(missing, count(value.slice(end), close))
    for (let moved = 0; moved < most; moved += 1) end = value.indexOf(close, end) + close.length
  }
  const middle = sliceText(text, start, end)
  return [sliceText(text, 0, start), ...link(middle, options), sliceText(text, end, value.length)]
}

function shorten(text: Str, limit: Value): Str {
  if (compareValues(codePointLength(plain(text)), limit, '>') <= 0) return text
  const cut = bare(getItem(text, new Slice(null, limit, null)))
  return isStr(cut) ? concatTexts([cut, '...']) : text
}

function link(middle: Str, { limit, attributes, schemes }: LinkOptions): Str[] {
  const value = plain(middle)
  const anchor = (prefix: string, address: Str, label: Str, given: readonly Str[]): Str[] => [
    `<a href="${prefix}`,
    address,
    '"',
    ...given,
    '>',
    label,
    '</a>',
  ]
  if (http.test(value)) {
    const label = limit === undefined ? middle : shorten(middle, limit)
    return anchor(/^https?:\/\//.test(value) ? '' : 'https://', middle, label, attributes)
  }
  if (value.startsWith('mailto:') && email.test(value.slice(7)))
    return anchor('', middle, sliceText(middle, 7, value.length), [])
  const isAddress =
    value.includes('@') && !value.startsWith('www.') && !value.startsWith('@') && !value.includes(':')
  if (isAddress && email.test(value)) return anchor('mailto:', middle, middle, [])
  let linked: Str[] = [middle]
  for (const prefix of schemes) {
    const current = linked.length === 1 ? value : linked.map(plain).join('')
    if (current === prefix || !current.startsWith(prefix)) continue
    const inner = concatTexts(linked)
    linked = anchor('', inner, inner, attributes)
  }
  return linked
}
