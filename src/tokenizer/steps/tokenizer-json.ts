import { isJsonObject, type JsonObject } from '../json.ts'
import type { MergeText } from './models/merges.ts'
import { makeTokenTable, type TokenTable } from './models/token-table.ts'

/*
 * A tokenizer.json has a hundred thousand tokens and several times as many merges. JSON.parse makes an object of the first, sorted
 * into hash tables that are thrown away, and a string of each of the second, most of which say what the first said; that takes
 * longer than all the rest of starting. So both are read from where they stand, and JSON.parse gets what is left. Whatever is not
 * written as the library of Hugging Face writes it goes to JSON.parse as a whole.
 */

/**
 * The object of a tokenizer.json. Its model's `vocab` may be a `TokenTable` and its `merges` a `MergeText`.
 *
 * @throws SyntaxError for text that is not JSON, TypeError for JSON that is no object
 */
export function readTokenizerJson(text: string): JsonObject {
  const found = findLarge(text)
  const json: unknown = JSON.parse(found?.rest ?? text)
  if (!isJsonObject(json)) throw new TypeError('not a JSON object')
  return found === undefined || !isJsonObject(json.model)
    ? json
    : { ...json, model: { ...json.model, ...found.large } }
}

/** What of the model was read where it stands. */
interface LargeParts {
  vocab: TokenTable
  merges?: MergeText
}

/** The large parts and the text without them; undefined where they are not where they are expected. */
function findLarge(text: string): { rest: string; large: LargeParts } | undefined {
  let vocab: Read<TokenTable> | undefined
  let merges: Read<MergeText> | undefined
  let rest = ''
  let position = 0
  /** Takes a part out of the text. */
  const take = <T>(at: number, part: Read<T> | undefined): number => {
    if (part === undefined) return valueEnd(text, at)
    rest += `${text.slice(position, at)}null`
    position = part.end
    return part.end
  }
  const end = walkObject(text, blankEnd(text, 0), (key, at) => {
    if (key !== 'model' || text[at] !== '{') return valueEnd(text, at)
    return walkObject(text, at, (name, start) => {
      if (name === 'vocab') return take(start, (vocab = readVocab(text, start)))
      if (name === 'merges') return take(start, (merges = readMergeText(text, start)))
      return valueEnd(text, start)
    })
  })
  if (end < 0 || vocab === undefined) return undefined
  const large = { vocab: vocab.value, ...(merges && { merges: merges.value }) }
  return { rest: rest + text.slice(position), large }
}

/** What was read, and where it ends. */
interface Read<T> {
  value: T
  end: number
}

/**
 * Visits the values of an object.
 *
 * @param visit  gives where the value ends, or -1
 * @returns      where the object ends; -1 for what is none, has a key twice, or escapes in a key
 */
function walkObject(text: string, start: number, visit: (key: string, at: number) => number): number {
  const keys = new Set<string>()
  if (text[start] !== '{') return -1
  for (let at = blankEnd(text, start + 1); ;) {
    const keyEnd = text[at] === '"' ? text.indexOf('"', at + 1) : -1
    if (keyEnd < 0) return -1
    const key = text.slice(at + 1, keyEnd)
    const colon = blankEnd(text, keyEnd + 1)
    if (key.includes('\\') || keys.has(key) || text[colon] !== ':') return -1
    keys.add(key)
    const end = visit(key, blankEnd(text, colon + 1))
    if (end < 0) return -1
    at = blankEnd(text, end)
    if (text[at] === '}') return at + 1
    if (text[at] !== ',') return -1
    at = blankEnd(text, at + 1)
  }
}

function blankEnd(text: string, from: number): number {
  let at = from
  for (let unit = text.charCodeAt(at); unit === 32 || unit === 10 || unit === 13 || unit === 9;)
    unit = text.charCodeAt(++at)
  return at
}

/** Where a value ends, -1 for nowhere. Whether it is one is JSON.parse's to say, or that of who reads it. */
function valueEnd(text: string, start: number): number {
  const marks = /["[\]{},]/g
  marks.lastIndex = start
  for (let depth = 0; ;) {
    const mark = marks.exec(text)
    if (mark === null) return -1
    const { index } = mark
    switch (mark[0]) {
      case '"': {
        const end = stringEnd(text, index + 1)
        if (end < 0) return -1
        if (depth === 0) return end + 1
        marks.lastIndex = end + 1
        break
      }
      case '[':
      case '{':
        depth++
        break
      case ',':
        if (depth === 0) return index
        break
      default:
        if (depth === 0) return index
        if (--depth === 0) return index + 1
    }
  }
}

/** Where the quotation mark stands that ends a string, -1 for nowhere. */
function stringEnd(text: string, start: number): number {
  for (let at = start; ;) {
    const end = text.indexOf('"', at)
    if (end < 0) return -1
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 92 && end - 1 - backslashes >= start) backslashes++
    if (backslashes % 2 === 0) return end
    at = end + 1
  }
}

/** The end of a string that has neither escapes nor what must be escaped: its characters stand for themselves. */
function plainEnd(text: string, start: number): number {
  for (let at = start; ; at++) {
    const unit = text.charCodeAt(at)
    if (unit === 34) return at
    // Also at the end of the text.
    if (unit === 92 || !(unit >= 32)) return -1
  }
}

function readVocab(text: string, start: number): Read<TokenTable> | undefined {
  // A token, its id and its merges take about this many characters.
  const table = makeTokenTable(Math.min(1 << 18, (text.length - start) / 64))
  let at = blankEnd(text, start + 1)
  if (text[start] !== '{' || text[at] === '}') return undefined
  for (;;) {
    if (text.charCodeAt(at) !== 34) return undefined
    const plain = plainEnd(text, at + 1)
    const close = plain < 0 ? stringEnd(text, at + 1) : plain
    const colon = blankEnd(text, close + 1)
    if (close < 0 || text.charCodeAt(colon) !== 58) return undefined
    let digit = blankEnd(text, colon + 1)
    const digits = digit
    let id = 0
    for (let unit = text.charCodeAt(digit); unit >= 48 && unit <= 57; unit = text.charCodeAt(++digit))
      id = 10 * id + unit - 48
    if (digit === digits || digit - digits > 9 || (digit - digits > 1 && text[digits] === '0'))
      return undefined
    if (plain >= 0) table.set(text, at + 1, close, id)
    else {
      const token: unknown = JSON.parse(text.slice(at, close + 1))
      if (typeof token === 'string') table.set(token, 0, token.length, id)
    }
    at = blankEnd(text, digit)
    if (text.charCodeAt(at) === 125) return { value: table, end: at + 1 }
    if (text.charCodeAt(at) !== 44) return undefined
    at = blankEnd(text, at + 1)
  }
}

/** Merges as `"left right"`, or as `["left", "right"]`. */
function readMergeText(text: string, start: number): Read<MergeText> | undefined {
  let ranges = new Int32Array(1 << 12)
  let size = 0
  // What has escapes is written out, and stands behind the text.
  const written: string[] = []
  let length = text.length
  const add = (from: number, to: number): void => {
    if (size === ranges.length) {
      const longer = new Int32Array(2 * size)
      longer.set(ranges)
      ranges = longer
    }
    ranges[size++] = from
    ranges[size++] = to
  }
  /** Reads a string, adds where its characters stand, and gives where it ends; -1 where it is none. */
  const read = (at: number, isPair: boolean): number => {
    if (text.charCodeAt(at) !== 34) return -1
    let [source, from, to] = [text, at + 1, plainEnd(text, at + 1)]
    const close = to < 0 ? stringEnd(text, at + 1) : to
    if (close < 0) return -1
    if (to < 0) {
      const value: unknown = JSON.parse(text.slice(at, close + 1))
      source = String(value)
      from = 0
      to = source.length
    }
    const shift = source === text ? 0 : length
    if (!isPair) add(from + shift, to + shift)
    else {
      const space = source.indexOf(' ', from)
      const next = space < 0 ? -1 : source.indexOf(' ', space + 1)
      if (space < 0 || space >= to || (next >= 0 && next < to) || source.startsWith('#version', from))
        return -1
      add(from + shift, space + shift)
      add(space + 1 + shift, to + shift)
    }
    if (source !== text) {
      written.push(source)
      length += source.length
    }
    return close + 1
  }
  let at = blankEnd(text, start + 1)
  if (text[start] !== '[' || text[at] === ']') return undefined
  for (;;) {
    if (text.charCodeAt(at) === 91) {
      const comma = blankEnd(text, read(blankEnd(text, at + 1), false))
      if (text.charCodeAt(comma) !== 44) return undefined
      at = blankEnd(text, read(blankEnd(text, comma + 1), false))
      if (text.charCodeAt(at) !== 93) return undefined
      at++
    } else at = read(at, true)
    if (at < 0) return undefined
    at = blankEnd(text, at)
    if (text.charCodeAt(at) === 93) break
    if (text.charCodeAt(at) !== 44) return undefined
    at = blankEnd(text, at + 1)
  }
  return { value: { text, written: written.join(''), ranges: ranges.subarray(0, size) }, end: at + 1 }
}
