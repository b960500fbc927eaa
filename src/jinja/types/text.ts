import { spendCharacters, spendCharacterWork, spendSteps } from '../meter.ts'

/**
 * Who wrote a text or a value. What an owner is, only the room knows that made it; here it counts that a part of an
 * owned value (an item, an entry) has an owner of its own.
 */
export interface Owner {
  part(key: string | number): Owner
}

/** The mark of one generation block on what it wrote inside a macro or a set block; it outlives their buffers. */
export class Generated {
  readonly owner: Owner | undefined
  readonly block: object
  constructor(owner: Owner | undefined, block: object) {
    this.owner = owner
    this.block = block
  }
}

/** Who wrote some characters, and whether a generation block did. */
export type Source = Owner | Generated

/** The owner of a source's characters; `undefined` is the template itself. */
export function ownerOf(source: Source | undefined): Owner | undefined {
  return source instanceof Generated ? source.owner : source
}

/** Characters up to `end` (UTF-16, exclusive) that one source wrote; `undefined` is the template itself. */
export interface Run {
  readonly end: number
  readonly source: Source | undefined
}

/**
 * A string that knows who wrote each of its characters. A plain JavaScript string is one the template wrote;
 * one source for all characters, by far the most frequent case, needs no runs.
 */
export class Text {
  readonly value: string
  readonly source: Source | undefined
  readonly runs: readonly Run[] | undefined

  constructor(value: string, source: Source | undefined, runs?: readonly Run[]) {
    this.value = value
    this.source = source
    this.runs = runs
  }
}

/** A template string: plain where nobody but the template wrote it. */
export type Str = string | Text

/** The characters of a template string. */
export function plain(text: Str): string {
  return typeof text === 'string' ? text : text.value
}

/** The runs of a template string. */
export function runsOf(text: Str): readonly Run[] {
  if (typeof text === 'string') return [{ end: text.length, source: undefined }]
  return text.runs ?? [{ end: text.value.length, source: text.source }]
}

function runIndex(runs: readonly Run[], offset: number): number {
  let low = 0
  let high = runs.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((runs[middle]?.end ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

/** Collects pieces into one text, joining neighbours of the same source. */
export class TextBuilder {
  /** The characters so far; only the builder itself appends. */
  value = ''
  readonly runs: Run[] = []

  /** Appends characters that `source` wrote. */
  push(value: string, source: Source | undefined): void {
    if (value === '') return
    this.value += value
    const last = this.runs.at(-1)
    if (last !== undefined && last.source === source) this.runs.pop()
    this.runs.push({ end: this.value.length, source })
  }

  /** Appends a text with its sources. */
  append(text: Str): void {
    if (typeof text === 'string') this.push(text, undefined)
    else if (text.runs === undefined) this.push(text.value, text.source)
    else if (text.value !== '') {
      const start = this.value.length
      this.value += text.value
      const last = this.runs.at(-1)
      if (last !== undefined && last.source === text.runs[0]?.source) this.runs.pop()
      for (const { end, source } of text.runs) this.runs.push({ end: start + end, source })
    }
  }

  /** What was collected. */
  finish(): Str {
    return makeText(this.value, this.runs)
  }
}

/** A text from its runs, as simple as they allow. */
export function makeText(value: string, runs: readonly Run[]): Str {
  const [first] = runs
  if (first === undefined) return value
  if (runs.length > 1) return new Text(value, undefined, runs)
  return first.source === undefined ? value : new Text(value, first.source)
}

/** The pieces in a row. */
export function concatTexts(pieces: readonly Str[]): Str {
  const builder = new TextBuilder()
  for (const piece of pieces) {
    spendCharacters(plain(piece).length + 16)
    builder.append(piece)
  }
  spendCharacters(builder.value.length)
  return builder.finish()
}

/** The texts with a separator between them. */
export function joinTexts(separator: Str, items: readonly Str[]): Str {
  const pieces: Str[] = []
  for (const item of items) {
    if (pieces.length > 0) pieces.push(separator)
    pieces.push(item)
  }
  return concatTexts(pieces)
}

/** `text.slice(start, end)` by UTF-16 offsets, 0 ≤ start ≤ end ≤ length. */
export function sliceText(text: Str, start: number, end: number): Str {
  if (typeof text === 'string') return text.slice(start, end)
  if (start === 0 && end === text.value.length) return text
  const value = text.value.slice(start, end)
  if (text.runs === undefined) return new Text(value, text.source)
  const runs: Run[] = []
  for (let index = runIndex(text.runs, start); index < text.runs.length; index += 1) {
    const run = text.runs[index]
    if (run === undefined || value === '') break
    runs.push({ end: Math.min(run.end, end) - start, source: run.source })
    if (run.end >= end) break
  }
  spendCharacters(runs.length)
  return makeText(value, runs)
}

/** Maps the characters; a mapping that changes the length is applied code point by code point. */
export function mapText(text: Str, map: (value: string) => string): Str {
  const value = plain(text)
  const mapped = map(value)
  spendCharacters(mapped.length)
  if (typeof text === 'string') return mapped
  if (text.runs === undefined) return new Text(mapped, text.source)
  if (mapped.length === value.length) return new Text(mapped, undefined, text.runs)
  spendCharacterWork(value.length, 32)
  return mapRuns(text, (part) => Array.from(part, map).join(''))
}

/** Changes each stretch of one source by itself. */
export function mapRuns(text: Str, map: (value: string) => string): Str {
  const builder = new TextBuilder()
  appendMapped(builder, text, map)
  return builder.finish()
}

const surrogate = /[\ud800-\udbff][\udc00-\udfff]/

/** Whether code points and UTF-16 units differ. */
function isAstral(value: string): boolean {
  return surrogate.test(value)
}

/** Code points that are gone through one by one, each at the price of five copied characters. */
function spendCounting(count: number): void {
  if (count > 64) spendCharacterWork(count, 5)
}

/** Python's len(): the number of code points. */
export function codePointLength(value: string): number {
  if (!isAstral(value)) return value.length
  spendCounting(value.length)
  let count = value.length
  for (let index = 1; index < value.length; index += 1) {
    const isLow = (value.charCodeAt(index) & 0xfc00) === 0xdc00
    if (isLow && (value.charCodeAt(index - 1) & 0xfc00) === 0xd800) count -= 1
  }
  return count
}

/** The UTF-16 offset of a code point index, 0 ≤ index ≤ length. */
export function utf16Offset(value: string, codePoints: number): number {
  if (!isAstral(value)) return codePoints
  spendCounting(codePoints)
  let offset = 0
  for (let index = 0; index < codePoints && offset < value.length; index += 1) {
    offset += (value.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
  }
  return offset
}

/** The code points, each as a text: a step for each, since each becomes an object. */
export function characters(text: Str): Str[] {
  spendSteps(plain(text).length)
  const result: Str[] = []
  let offset = 0
  for (const character of plain(text)) {
    result.push(sliceText(text, offset, offset + character.length))
    offset += character.length
  }
  return result
}

/** Order of Python strings: by code point, not by UTF-16 unit. */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a === b) continue
    const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff
    if (isSurrogate(a) !== isSurrogate(b)) return isSurrogate(a) ? 1 : -1
    return a - b
  }
  return left.length - right.length
}

/** Appends a text, each stretch of one source changed by itself. */
function appendMapped(builder: TextBuilder, text: Str, map: (value: string) => string): void {
  const value = plain(text)
  let start = 0
  for (const { end, source } of runsOf(text)) {
    builder.push(map(value.slice(start, end)), source)
    start = end
  }
}

/** Appends a text so in quotes; these are of whoever wrote the character beside them, or else of `owner`. */
export function appendQuoted(
  builder: TextBuilder,
  text: Str,
  quote: string,
  owner: Source | undefined,
  map: (value: string) => string,
): void {
  const isOne = typeof text === 'string' || text.runs === undefined
  const source = isOne && typeof text !== 'string' ? text.source : undefined
  // Most texts are of one source, which then is that of the quotes.
  if (isOne && (source ?? owner) === source) return builder.push(quote + map(plain(text)) + quote, source)
  const runs = runsOf(text)
  builder.push(quote, runs[0]?.source ?? owner)
  appendMapped(builder, text, map)
  builder.push(quote, runs.at(-1)?.source ?? owner)
}
