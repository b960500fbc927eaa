import { hash } from 'node:crypto'
import { clipText, quoteValue } from '../../error.ts'
import { JsonFloat } from '../../formats/json/index.ts'
import { contentText } from '../content-text.ts'
import { createHashSet, type HashSet } from '../mix/index.ts'
import type { Row } from '../row.ts'
import { createLengthCounts, type LengthCounts } from './length-counts.ts'

/** What a value is. */
export type ValueKind = 'text' | 'integer' | 'number' | 'boolean' | 'list' | 'object'

/** What the values of a column are. */
export interface ColumnStatistics {
  name: string
  /** How many values are of each kind. */
  kinds: Partial<Record<ValueKind, number>>
  /** Rows in which it is null or absent. */
  nulls: number
  /** Different values; where `isMore` is true there are more than that. */
  distinct: number
  isMore: boolean
  /** Characters of texts and items of lists; undefined where there are neither. */
  lengths?: { unit: 'characters' | 'items'; min: number; median: number; max: number }
  /** The first value that is not null, at most 200 characters of it. */
  example: string
}

/** What the columns of a source are, in memory that does not grow with its rows. */
export interface StatisticsOfColumns {
  add(value: Row['value']): void
  /** In the order in which they were first seen. */
  columns(): ColumnStatistics[]
  /** Columns beyond the most that are looked at. */
  readonly leftOut: number
}

/** Different values that are counted; beyond them a column has many. */
const mostDistinct = 1000
const mostColumns = 200

interface Column {
  kinds: Map<ValueKind, number>
  values: number
  different: HashSet
  isMore: boolean
  characters: LengthCounts | undefined
  items: LengthCounts | undefined
  example: string
}

/** Statistics of which nothing is counted yet. */
export function createColumnStatistics(): StatisticsOfColumns {
  const columns = new Map<string, Column>()
  const others = createHashSet()
  let rows = 0
  return {
    get leftOut() {
      return others.size
    },
    columns: () => [...columns].map(([name, column]) => statisticsOf(name, column, rows)),
    add(value) {
      rows += 1
      for (const [name, item] of Object.entries(value)) {
        let column = columns.get(name)
        if (column === undefined && columns.size >= mostColumns) {
          if (others.size < mostDistinct) others.add(...hashOf(name))
          continue
        }
        if (column === undefined) {
          column = emptyColumn()
          columns.set(name, column)
        }
        if (item !== null && item !== undefined) count(column, item)
      }
    },
  }
}

function emptyColumn(): Column {
  return {
    kinds: new Map(),
    values: 0,
    different: createHashSet(),
    isMore: false,
    characters: undefined,
    items: undefined,
    example: '',
  }
}

function count(column: Column, value: unknown): void {
  const kind = kindOf(value)
  column.kinds.set(kind, (column.kinds.get(kind) ?? 0) + 1)
  if (column.values === 0) column.example = exampleOf(value)
  column.values += 1
  if (typeof value === 'string') (column.characters ??= createLengthCounts()).add(value.length)
  if (Array.isArray(value)) (column.items ??= createLengthCounts()).add(value.length)
  if (column.isMore) return
  const [high, low] = hashOf(contentText(value))
  if (column.different.size < mostDistinct) column.different.add(high, low)
  else column.isMore = !column.different.has(high, low)
}

function hashOf(text: string): [high: number, low: number] {
  const digest = hash('sha256', text, 'buffer')
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)]
}

function kindOf(value: unknown): ValueKind {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'bigint') return 'integer'
  if (value instanceof JsonFloat) return 'number'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return Array.isArray(value) ? 'list' : 'object'
}

function exampleOf(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(clipText(value, 190)) : quoteValue(value)
}

function statisticsOf(name: string, column: Column, rows: number): ColumnStatistics {
  const { kinds, values, different, isMore, characters, items, example } = column
  const lengths = characters ?? items
  return {
    name,
    kinds: Object.fromEntries(kinds),
    nulls: rows - values,
    distinct: different.size,
    isMore,
    ...(lengths !== undefined && {
      lengths: {
        unit: characters === undefined ? ('items' as const) : ('characters' as const),
        min: lengths.min,
        median: lengths.quantile(0.5),
        max: lengths.max,
      },
    }),
    example,
  }
}
