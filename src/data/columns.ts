import { closestName } from '../closest-name.ts'
import { parseColumnTemplate } from './column-template.ts'
import { FettleError } from '../error.ts'
import { numberOf } from '../formats/json/index.ts'
import { note, type DataReport, type SourceReport } from './report.ts'
import { columnNames, type DataFormat, type RowOptions } from './row-options.ts'
import { formatOrigin, type Row } from './row.ts'
import { isNothing, listMany } from './values.ts'

/** Columns that are named and not in a row, as `[fettle's name, the file's]`. */
export function missingColumns({ value }: Row, columns: RowOptions['columns'] = {}): [string, string][] {
  return Object.entries(columns).flatMap(([name, from]) =>
    columnsIn(from).flatMap((column): [string, string][] => (column in value ? [] : [[name, column]])),
  )
}

/** The columns of a file that are read as one of fettle's. */
function columnsIn(from: string | undefined): readonly string[] {
  return from === undefined ? [] : (parseColumnTemplate(from)?.columns ?? [from])
}

/** A column that was named and is in no row. */
export function noColumn(
  origin: Row['origin'],
  [name, from]: readonly [string, string],
  names: readonly string[],
): FettleError {
  const meant = closestName(from, names)
  return new FettleError({
    place: formatOrigin(origin),
    found: `no column ${from}`,
    expected: listMany(names),
    ...(meant === undefined ? {} : { cure: `Did you mean columns: { ${name}: ${meant} }?` }),
  })
}

/**
 * Gives the columns of a row fettle's names, and fills in the templates of columns.
 *
 * @throws FettleError at a name that fettle does not read
 */
export function columnRenamer(columns: RowOptions['columns'] = {}): (row: Row) => Row {
  const pairs = Object.entries(columns).flatMap(([name, from]) => {
    if (from === undefined) return []
    if (columnNames.some((known) => known === name))
      return [{ name, from, template: parseColumnTemplate(from) }]
    const meant = closestName(name, columnNames)
    throw new FettleError({
      place: `columns.${name}`,
      found: 'a column that fettle does not read',
      expected: columnNames.join(', '),
      ...(meant === undefined ? {} : { cure: `Did you mean ${meant}?` }),
    })
  })
  if (pairs.length === 0) return (row) => row
  const taken = new Set(pairs.flatMap(({ from }) => columnsIn(from)))
  return (row) => {
    const { value, origin } = row
    const missing = missingColumns(row, columns)
    // A column that only some rows have, such as Alpaca's input, is absent rather than wrong.
    if (![...taken].some((name) => name in value)) throw noColumn(origin, missing[0], Object.keys(value))
    const renamed: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(value)) if (!taken.has(name)) renamed[name] = item
    for (const { name, from, template } of pairs) {
      const absent = template && missing.find((pair) => pair[0] === name)
      if (absent !== undefined) throw noColumn(origin, absent, Object.keys(value))
      if (template !== undefined) renamed[name] = template.fill(row)
      else if (from in value) renamed[name] = value[from]
    }
    return { value: renamed, origin }
  }
}

const ofChats = ['system', 'tools', 'functions', 'chat_template_kwargs']

/** Under fettle's names, the columns that rows of a format may have. */
export function readColumns(format: DataFormat): readonly string[] {
  return columnsOf[format]
}

/** What each format reads. */
const columnsOf: { [Format in DataFormat]: readonly string[] } = {
  messages: ['messages', 'conversations', ...ofChats],
  sharegpt: ['messages', 'conversations', ...ofChats],
  prompt_completion: ['prompt', 'completion', ...ofChats],
  instruct: ['instruction', 'input', 'output', 'history', ...ofChats],
  text: ['text'],
  tokens: ['input_ids', 'labels', 'attention_mask', 'completion_mask', 'assistant_masks'],
}

const media = ['image', 'images', 'video', 'videos', 'audio', 'audios']
const rowMarks = ['weight', 'sample_weight', 'loss', 'loss_weight', 'loss_scale', 'train', 'training', 'mask']

/**
 * Looks after the columns of a source: those that its format reads are remembered; of the others those that would change what is learned
 * are refused, the rest is remembered and noted, each once.
 *
 * @param found  is told which columns are read and which are not, under the file's names
 */
export function createColumnWatch(
  name: string,
  {
    columns = {},
    report,
    found,
  }: { columns?: RowOptions['columns']; report?: DataReport | undefined; found: SourceReport },
): (row: Row, format: DataFormat) => void {
  const { read, unread } = found.columns
  const known = new Set<string>(unread)
  const reading = new Set<string>()
  return ({ value, origin }, format) => {
    const fresh: string[] = []
    for (const column of Object.keys(value)) {
      if (isNothing(value[column])) continue
      if (isRead(column, value, format)) {
        if (reading.has(column)) continue
        reading.add(column)
        for (const from of columnsIn(columns[column as keyof typeof columns] ?? column)) read[from] = column
      } else {
        refuseMeaning(formatOrigin(origin), column, value, format)
        if (!known.has(column)) fresh.push(column)
      }
    }
    for (const column of fresh) known.add(column)
    unread.push(...fresh)
    if (fresh.length > 0)
      note(
        report,
        `${name}: the column${fresh.length === 1 ? '' : 's'} ${listMany(fresh)} ${fresh.length === 1 ? 'is' : 'are'} not read`,
      )
  }
}

function isRead(column: string, value: Row['value'], format: DataFormat): boolean {
  if (!columnsOf[format].includes(column)) return false
  // A plain prompt meets no template, so that nothing asks for what chats have.
  const isPlain = format === 'prompt_completion' && typeof value['prompt'] === 'string'
  if (isPlain && ofChats.includes(column)) return false
  return !(column === 'conversations' && !isNothing(value['messages']) && format === 'messages')
}

/** Stops at a column that says that the row means something else than would be learned. */
function refuseMeaning(place: string, column: string, value: Row['value'], format: DataFormat): void {
  const given = value[column]
  const isBit = given === true || numberOf(given) === 1
  const refuse = (found: string, cure: string) => {
    throw new FettleError({ place, found, expected: 'what is learned in the columns of the format', cure })
  }
  if (media.includes(column) && typeof given === 'object')
    refuse(
      `a column ${column}, and fettle trains on text`,
      'Take these rows out, or the column where the text stands without it.',
    )
  if (column === 'history' && format !== 'instruct')
    refuse('a column history beside no instruction', 'Put the earlier turns into messages.')
  if (
    rowMarks.includes(column) &&
    !isBit &&
    (typeof given === 'boolean' || numberOf(given) !== undefined || column === 'mask')
  )
    refuse(
      `a column ${column}, by which other tools decide how much of a row is learned`,
      'Mark messages with train or weight, leave out rows that are not to be learned, or take the column out.',
    )
  if (column === 'label' && given === false && format === 'prompt_completion')
    refuse(
      'label is false, which marks a completion that is not wanted',
      'Take out the rows whose label is false.',
    )
}
