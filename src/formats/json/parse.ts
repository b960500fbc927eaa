import { FettleError } from '../../error.ts'
import { JsonFault, readJsonText } from './reader.ts'

/**
 * The value of a JSON text, without loss: see values.ts. Most texts lose nothing in JSON.parse, which is several
 * times faster; the others are read again.
 *
 * @throws JsonFault where it is not JSON, repeats a key or holds a number that JSON does not have
 */
export function parseJsonText(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The reader below says what is wrong and where.
    return readJsonText(text)
  }
  return isWhole(value, text) ? value : readJsonText(text)
}

/** Where a text begins in a file. */
export interface Position {
  /** 1-based. */
  line: number
  /** Characters before it in its line. */
  column: number
}

/**
 * The same for a text of which a place is known.
 *
 * @param place  what errors call the text: `run.json`, `train.jsonl:3: tools`
 * @param at     where it begins in a file; the place then gets the line of what is wrong
 * @throws       FettleError
 */
export function parseJson(text: string, place: string, at?: Position): unknown {
  try {
    return parseJsonText(text)
  } catch (error) {
    throw error instanceof JsonFault ? jsonError(error, text, place, at) : error
  }
}

/** What is wrong in a JSON text, for whoever wrote it. */
export function jsonError(fault: JsonFault, text: string, place: string, at?: Position): FettleError {
  const before = text.slice(0, fault.offset)
  const line = before.split('\n').length
  const column = fault.offset - before.lastIndexOf('\n') + (line === 1 ? (at?.column ?? 0) : 0)
  const where = at === undefined && line > 1 ? `line ${line}, column ${column}` : `column ${column}`
  const { found, expected, cure } = fault
  return new FettleError({
    place: at === undefined ? place : `${place}:${at.line + line - 1}`,
    found: `not JSON: ${found} (${where})`,
    expected,
    ...(cure !== undefined && { cure }),
  })
}

/** What a parsed value tells about its text. */
interface Census {
  keys: number
  hasIntegers: boolean
}

/** Whether JSON.parse kept everything of a text. */
function isWhole(value: unknown, text: string): boolean {
  const census: Census = { keys: 0, hasIntegers: false }
  if (!survey(value, census, 0)) return false
  if (census.hasIntegers && integralFloat.test(text)) return false
  return census.keys === countNames(text)
}

/** 1.0, 1e3 or -0, which look like integers once they are parsed. (In a text they cost time only.) */
const integralFloat = /(?:^|[:,[\s])(?:-?\d+(?:\.0+(?!\d)|(?:\.\d+)?[eE][+-]?\d)|-0(?![\d.]))/

const deepest = 500

/** Counts keys; false where a number, a key or the depth is one that JSON.parse may have changed. */
function survey(value: unknown, census: Census, depth: number): boolean {
  if (typeof value === 'string') return true
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return Number.isFinite(value)
    census.hasIntegers = true
    return Number.isSafeInteger(value)
  }
  if (typeof value !== 'object' || value === null) return true
  if (depth > deepest) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!survey(item, census, depth + 1)) return false
    return true
  }
  const fields = value as Readonly<Record<string, unknown>>
  for (const key in fields) {
    const code = key.charCodeAt(0)
    // Keys that are numbers come first, wherever they stood.
    if (code >= 48 && code <= 57) return false
    census.keys += 1
    if (!survey(fields[key], census, depth + 1)) return false
  }
  return true
}

/**
 * How many quotes with a colon behind them a JSON text has: at least one for each name in it, so that a name that was
 * given twice makes it more than the keys that are left. (A text that begins with a colon counts too, and costs time only.)
 */
function countNames(text: string): number {
  let count = 0
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    let quote = colon - 1
    while (isSpace(text.charCodeAt(quote))) quote -= 1
    if (text.charCodeAt(quote) !== 34) continue
    let before = quote - 1
    while (text.charCodeAt(before) === 92) before -= 1
    // Behind an odd number of backslashes the quote belongs to a text.
    if ((quote - before) % 2 === 1) count += 1
  }
  return count
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}
