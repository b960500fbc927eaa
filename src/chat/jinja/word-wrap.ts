import { Fault } from './fault.ts'
import { softText, isGiven, requireText } from './filter-shared.ts'
import { indexArgument } from './numbers.ts'
import { splitLines } from './split.ts'
import { codePointLength, concatTexts, plain, sliceText, utf16Offset, type Str } from './text.ts'
import { truth, type Value } from './values.ts'

/** jinja2's wordwrap: each line of the text is wrapped as Python's textwrap does. */
export function wrapWords([value, width, breakLong, wrapString, breakHyphens]: readonly (
  | Value
  | undefined
)[]): Str {
  const most = width === undefined ? 79 : indexArgument(width)
  const separator = isGiven(wrapString) ? softText(wrapString) : '\n'
  const options = {
    width: Math.max(1, most),
    breakLong: breakLong === undefined || truth(breakLong),
    breakHyphens: breakHyphens === undefined || truth(breakHyphens),
  }
  const text = requireText(
    value,
    (type) => new Fault('AttributeError', `'${type}' object has no attribute 'splitlines'`),
  )
  const pieces: Str[] = []
  splitLines(text, false).forEach((line, index) => {
    if (index > 0) pieces.push(separator)
    wrapLine(line, options).forEach((part, position) =>
      pieces.push(...(position > 0 ? [separator, part] : [part])),
    )
  })
  return concatTexts(pieces)
}

interface WrapOptions {
  width: number
  breakLong: boolean
  breakHyphens: boolean
}

/** Words, runs of white space, and words cut behind their hyphens. */
function chunksOf(line: Str, breakHyphens: boolean): Str[] {
  const pattern = breakHyphens
    ? /\s+|[^\s-]*\p{L}{2,}-(?=\p{L}{2})|\S+?(?=\s|$|(?<=\p{L}{2}-)\p{L}{2})/gu
    : /\s+|\S+/gu
  return [...plain(line).matchAll(pattern)].map((match) =>
    sliceText(line, match.index, match.index + match[0].length),
  )
}

function wrapLine(line: Str, { width, breakLong, breakHyphens }: WrapOptions): Str[] {
  const lines: Str[] = []
  let current: Str[] = []
  let length = 0
  const flush = (): void => {
    while (current.length > 0 && plain(current.at(-1) ?? '').trim() === '') current.pop()
    if (current.length > 0) lines.push(concatTexts(current))
    current = []
    length = 0
  }
  const queue = chunksOf(line, breakHyphens).toReversed()
  for (let chunk = queue.pop(); chunk !== undefined; chunk = queue.pop()) {
    const size = codePointLength(plain(chunk))
    const isSpace = plain(chunk).trim() === ''
    if (isSpace && current.length === 0 && lines.length > 0) continue
    if (length + size <= width) {
      current.push(chunk)
      length += size
    } else if (size > width && !isSpace && breakLong) {
      const cut = utf16Offset(plain(chunk), Math.max(1, width - length))
      current.push(sliceText(chunk, 0, cut))
      queue.push(sliceText(chunk, cut, plain(chunk).length))
      flush()
    } else if (current.length === 0) {
      current.push(chunk)
      flush()
    } else {
      flush()
      if (!isSpace) queue.push(chunk)
    }
  }
  flush()
  return lines
}
