import type { CharacterSet } from './syntax.ts'

/** For each character of 256 in a row, a bit for each set that it is in. */
type Page = Int32Array

/** Up to 31 sets of characters, each a bit. Which of them a character is in is found once for 256 characters in a row. */
export interface SetTable {
  /** By UTF-16 unit divided by 256. */
  readonly pages: (Page | undefined)[]
  /** The same for characters beyond U+FFFF, by code point. */
  readonly beyond: Map<number, Page>
  readonly sets: (readonly CharacterSet[])[]
}

/** A set's table and its bit there. */
export interface SetBit {
  table: number
  bit: number
}

export const setsPerTable = 31

export function makeSetTable(sets: SetTable['sets'] = []): SetTable {
  return { pages: Array.from({ length: 256 }), beyond: new Map(), sets: [...sets] }
}

/** The tables of a pattern's sets; equal sets are one. */
export interface SetTables {
  readonly tables: SetTable[]
  add(set: CharacterSet): SetBit
}

export function makeSetTables(): SetTables {
  const tables: SetTable[] = []
  const known = new Map<string, SetBit>()
  let table: SetTable | undefined
  return {
    tables,
    add(set) {
      const key = `${set.ignoreCase}${set.source}`
      const found = known.get(key)
      if (found !== undefined) return found
      if (table === undefined || table.sets.length === setsPerTable) {
        table = makeSetTable()
        tables.push(table)
      }
      table.sets.push([set])
      const added = { table: tables.indexOf(table), bit: 1 << (table.sets.length - 1) }
      known.set(key, added)
      return added
    },
  }
}

const expressions = new WeakMap<CharacterSet, RegExp>()

function expressionOf(set: CharacterSet): RegExp {
  let expression = expressions.get(set)
  if (expression === undefined) {
    expression = new RegExp(`(?:${set.source})+`, set.ignoreCase ? 'giv' : 'gv')
    expressions.set(set, expression)
  }
  return expression
}

/** Finds out which sets the 256 characters of a page are in. */
export function pageOf(table: SetTable, index: number): Page {
  const page = new Int32Array(256)
  const text = String.fromCodePoint(...Array.from({ length: 256 }, (_, i) => (index << 8) + i))
  const units = text.length / 256
  table.sets.forEach((sets, i) => {
    for (const set of sets)
      for (const { 0: run, index: start } of text.matchAll(expressionOf(set)))
        for (let at = start / units; at < (start + run.length) / units; at++) page[at] |= 1 << i
  })
  if (index < 256) table.pages[index] = page
  else table.beyond.set(index, page)
  return page
}

/** The bits of the character at a place. */
export function bitsAt(table: SetTable, text: string, at: number, end: number): number {
  const unit = text.charCodeAt(at)
  if (unit < 0xd800 || unit > 0xdbff || unitsAt(text, at, end) === 1)
    return (table.pages[unit >> 8] ?? pageOf(table, unit >> 8))[unit & 255]
  const code = text.codePointAt(at) ?? 0
  return (table.beyond.get(code >> 8) ?? pageOf(table, code >> 8))[code & 255]
}

/** UTF-16 units of the character at a place. */
export function unitsAt(text: string, at: number, end: number): 1 | 2 {
  const unit = text.charCodeAt(at)
  if (unit < 0xd800 || unit > 0xdbff || at + 1 >= end) return 1
  const next = text.charCodeAt(at + 1)
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1
}

/** Where the character before a place begins. */
export function characterBefore(text: string, at: number, start: number): number {
  return at - 2 >= start && unitsAt(text, at - 2, at) === 2 ? at - 2 : at - 1
}
