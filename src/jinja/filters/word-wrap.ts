import { Fault } from '../fault.ts'
import { isGiven, requireText } from './shared.ts'
import { truth } from '../types/iteration.ts'
import { joinTexts } from '../types/markup.ts'
import { asNumber } from '../types/numbers.ts'
import { isSpace, splitLines } from '../types/split.ts'
import {
  codePointLength,
  concatTexts,
  plain,
  sliceText,
  utf16Offset,
  withoutMarkup,
  type Str,
} from '../types/text.ts'
import { bare, isStr, typeName, type Value } from '../types/values.ts'

/** jinja2's wordwrap: each line of the text is wrapped as Python's textwrap does. */
export function wrapWords([value, width = 79, breakLong, wrapString, breakHyphens]: readonly (
  | Value
  | undefined
)[]): Str {
  const text = requireText(
    value,
    (type) => new Fault('AttributeError', `'${type}' object has no attribute 'splitlines'`),
  )
  const separator = isGiven(wrapString) ? bare(wrapString) : '\n'
  if (!isStr(separator))
    throw new Fault('AttributeError', `'${typeName(separator)}' object has no attribute 'join'`)
  const lines = splitLines(text, false)
  const most = asNumber(width)
  if (most === undefined && lines.length > 0)
    throw new Fault('TypeError', `'<=' not supported between instances of '${typeName(width)}' and 'int'`)
  const options = {
    width: most ?? 1,
    breakLong: breakLong === undefined || truth(breakLong),
    breakHyphens: breakHyphens === undefined || truth(breakHyphens),
  }
  return joinTexts(
    separator,
    lines.map((line) => joinTexts(separator, wrapLine(withoutMarkup(line), options))),
  )
}

interface WrapOptions {
  width: number
  breakLong: boolean
  breakHyphens: boolean
}

const space = String.raw`[\t\n\v\f\r ]`
const letters = String.raw`[\p{L}\p{N}_]`
// textwrap's wordsep_re: white space, em-dashes between words, words up to a hyphen, a space or an em-dash.
const hyphenated = new RegExp(
  String.raw`${space}+|(?<=[\p{L}\p{N}_!"'&.,?])-{2,}(?=${letters})` +
    String.raw`|[^\t\n\v\f\r ]+?(?:-(?:(?<=[\p{L}_]{2}-)|(?<=[\p{L}_]-[\p{L}_]-))(?=[\p{L}_]-?[\p{L}_])` +
    String.raw`|(?=${space}|$)|(?<=[\p{L}\p{N}_!"'&.,?])(?=-{2,}${letters}))`,
  'gu',
)
const simple = new RegExp(String.raw`${space}+|[^\t\n\v\f\r ]+`, 'gu')

/** Words, runs of white space, and words cut behind their hyphens. */
function chunksOf(line: Str, breakHyphens: boolean): Str[] {
  return [...plain(line).matchAll(breakHyphens ? hyphenated : simple)].map((match) =>
    sliceText(line, match.index, match.index + match[0].length),
  )
}

const isBlank = (text: Str | undefined): boolean =>
  text !== undefined && Array.from(plain(text)).every(isSpace)

/** Where a word that is too long is cut: behind its last hyphen that fits, else where the line is full. */
function cutOf(word: string, room: number, breakHyphens: boolean): number {
  const end = utf16Offset(word, Math.max(0, Math.trunc(room)))
  const hyphen = breakHyphens && codePointLength(word) > room ? word.slice(0, end).lastIndexOf('-') : -1
  return hyphen > 0 && /[^-]/.test(word.slice(0, hyphen)) ? hyphen + 1 : end
}

function wrapLine(line: Str, { width, breakLong, breakHyphens }: WrapOptions): Str[] {
  if (width <= 0) throw new Fault('ValueError', `invalid width ${width} (must be > 0)`)
  const lines: Str[] = []
  const queue = chunksOf(line, breakHyphens).toReversed()
  while (queue.length > 0) {
    const current: Str[] = []
    let length = 0
    if (lines.length > 0 && isBlank(queue.at(-1))) queue.pop()
    for (let chunk = queue.at(-1); chunk !== undefined; chunk = queue.at(-1)) {
      const size = codePointLength(plain(chunk))
      if (length + size > width) break
      current.push(chunk)
      length += size
      queue.pop()
    }
    const long = queue.at(-1)
    if (long !== undefined && codePointLength(plain(long)) > width) {
      queue.pop()
      const cut = breakLong
        ? cutOf(plain(long), width < 1 ? 1 : width - length, breakHyphens)
        : plain(long).length
      if (breakLong || current.length === 0) {
        current.push(sliceText(long, 0, cut))
        if (cut < plain(long).length) queue.push(sliceText(long, cut, plain(long).length))
      } else queue.push(long)
    }
    if (isBlank(current.at(-1))) current.pop()
    if (current.length > 0) lines.push(concatTexts(current))
  }
  return lines
}
