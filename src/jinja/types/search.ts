import { spendCharacterWork } from '../meter.ts'

/** Longer texts are looked for by an algorithm that never goes back; JavaScript's own takes the product of both lengths. */
const longNeedle = 48

/**
 * `value.indexOf(wanted, from)`, at a price that holds for the worst of texts.
 *
 * @returns  the offset of the first occurrence at or behind `from`, or -1
 */
export function indexOfText(value: string, wanted: string, from = 0): number {
  if (wanted.length <= longNeedle) {
    const found = value.indexOf(wanted, from)
    const seen = (found === -1 ? value.length : found) - from
    if (seen > 64) spendCharacterWork(seen, 1 + (wanted.length >> 4))
    return found
  }
  if (value.length - from < wanted.length) return -1
  // Where the first characters are found once only, nothing has to be remembered.
  const start = value.indexOf(wanted.slice(0, 8), from)
  if (start === -1 || value.startsWith(wanted, start)) {
    spendCharacterWork((start === -1 ? value.length : start) - from + wanted.length, 1)
    return start
  }
  return search(value, wanted, start)
}

/** `value.lastIndexOf(wanted, from)` in the same way. */
export function lastIndexOfText(value: string, wanted: string, from = value.length): number {
  const last = Math.min(from, value.length - wanted.length)
  if (last < 0) return -1
  if (wanted.length <= longNeedle) {
    const found = value.lastIndexOf(wanted, last)
    const seen = last - found
    if (seen > 64) spendCharacterWork(seen, 1 + (wanted.length >> 1))
    return found
  }
  if (value.startsWith(wanted, last)) return last
  const end = last + wanted.length
  spendCharacterWork(end + wanted.length, 16)
  const found = search(backwards(value.slice(0, end)), backwards(wanted), 0)
  return found === -1 ? -1 : end - found - wanted.length
}

/**
 * Knuth, Morris and Pratt: of what is looked for, `borders[i]` is the length of the longest proper beginning that is also the
 * end of its first i + 1 characters, with which the comparison goes on where it fails.
 */
function search(value: string, wanted: string, from: number): number {
  spendCharacterWork(value.length - from + wanted.length, 4)
  const borders = new Int32Array(wanted.length)
  for (let i = 1, length = 0; i < wanted.length; i += 1) {
    const unit = wanted.charCodeAt(i)
    while (length > 0 && unit !== wanted.charCodeAt(length)) length = borders[length - 1]
    if (unit === wanted.charCodeAt(length)) length += 1
    borders[i] = length
  }
  for (let at = from, length = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at)
    while (length > 0 && unit !== wanted.charCodeAt(length)) length = borders[length - 1]
    if (unit === wanted.charCodeAt(length)) length += 1
    if (length === wanted.length) return at - length + 1
  }
  return -1
}

/** The UTF-16 units in the other order, in pieces that a call can take. */
function backwards(value: string): string {
  const size = 4096
  let reversed = ''
  for (let end = value.length; end > 0; end -= size) {
    const units: number[] = []
    for (let i = end - 1; i >= Math.max(0, end - size); i -= 1) units.push(value.charCodeAt(i))
    reversed += String.fromCharCode(...units)
  }
  return reversed
}
