/**
 * The Rust library counts Unicode code points, JavaScript UTF-16 units. They differ only in texts with
 * characters beyond U+FFFF (emoji, rare ideographs), so most texts need no table.
 */

/** Translates positions of one text, in both directions. */
export interface CodePoints {
  /** UTF-16 index of a code point index. */
  toUtf16(index: number): number
  /** Code point index of a UTF-16 index; inside a surrogate pair, that of the pair. */
  fromUtf16(index: number): number
}

const identity: CodePoints = { toUtf16: (index) => index, fromUtf16: (index) => index }

/** The translation for a text. */
export function codePointsOf(text: string): CodePoints {
  return hasSurrogate(text) ? makeTables(text) : identity
}

function hasSurrogate(text: string): boolean {
  return /[\ud800-\udfff]/.test(text)
}

function makeTables(text: string): CodePoints {
  const utf16 = new Uint32Array(text.length + 1)
  const codePoint = new Uint32Array(text.length + 1)
  let count = 0
  for (let at = 0; at < text.length; count++) {
    const units = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
    utf16[count] = at
    codePoint.fill(count, at, at + units)
    at += units
  }
  utf16[count] = text.length
  codePoint[text.length] = count
  return { toUtf16: (index) => utf16[index], fromUtf16: (index) => codePoint[index] }
}
