import { FettleError } from '../error.ts'
import { describeValue, JsonFloat } from '../formats/json/index.ts'
import { formatOrigin, type Row } from './row.ts'

/** A text made of columns: `{question}\n{context}`. */
export interface ColumnTemplate {
  /** The columns that it names, each once. */
  columns: readonly string[]
  /**
   * The text for a row that has them; a column that is null says nothing.
   *
   * @throws FettleError at a list or an object
   */
  fill(row: Row): string
}

/** A name in braces; braces that are part of the text are doubled. */
const piece = /\{\{|\}\}|\{([^{}]+)\}/g

/** The template that a text is; undefined where it names no column in braces, and so is the name of a column itself. */
export function parseColumnTemplate(text: string): ColumnTemplate | undefined {
  const columns = new Set<string>()
  for (const [, name] of text.matchAll(piece)) if (name !== undefined) columns.add(name)
  if (columns.size === 0) return undefined
  return {
    columns: [...columns],
    fill: (row) =>
      text.replaceAll(piece, (whole: string, name: string | undefined) =>
        name === undefined ? whole[0] : textOf(row, name),
      ),
  }
}

function textOf({ value, origin }: Row, column: string): string {
  const given = value[column]
  if (given === null || given === undefined) return ''
  if (typeof given === 'string') return given
  if (given instanceof JsonFloat || typeof given !== 'object') return String(given)
  throw new FettleError({
    place: formatOrigin(origin),
    found: `${column} is ${describeValue(given)}`,
    expected: 'a text or a number, as a template of columns takes it',
  })
}
