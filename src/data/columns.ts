import { closestName } from '../closest-name.ts'
import { FettleError } from '../error.ts'
import { numberOf } from '../formats/json/index.ts'
import { note, type DataReport } from './report.ts'
import { columnNames, type DataFormat, type RowOptions } from './row-options.ts'
import { formatOrigin, type Row } from './row.ts'
import { isNothing, listNames } from './values.ts'

/** Columns that are named and not in a row, as `[fettle's name, the file's]`. */
export function missingColumns({ value }: Row, columns: RowOptions['columns'] = {}): [string, string][] {
  return Object.entries(columns).filter(([, from]) => from !== undefined && !(from in value))
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
    expected: listNames(names),
    ...(meant === undefined ? {} : { cure: `Did you mean columns: { ${name}: ${meant} }?` }),
  })
}

/**
 * Gives the columns of a row fettle's names.
 *
 * @throws FettleError at a name that fettle does not read
 */
export function columnRenamer(columns: RowOptions['columns'] = {}): (row: Row) => Row {
  const pairs = Object.entries(columns).flatMap(([name, from]) => {
    if (from === undefined) return []
    if (columnNames.some((known) => known === name)) return [[name, from] as const]
    const meant = closestName(name, columnNames)
    throw new FettleError({
      place: `columns.${name}`,
      found: 'a column that fettle does not read',
      expected: columnNames.join(', '),
      ...(meant === undefined ? {} : { cure: `Did you mean ${meant}?` }),
    })
  })
  if (pairs.length === 0) return (row) => row
  const taken = new Set(pairs.map(([, from]) => from))
  return (row) => {
    const { value, origin } = row
    const missing = missingColumns(row, columns)
    // A column that only some rows have, such as Alpaca's input, is absent rather than wrong.
    if (missing.length === pairs.length) throw noColumn(origin, missing[0], Object.keys(value))
    const others = Object.entries(value).filter(([name]) => !taken.has(name))
    const renamed = pairs.flatMap(([name, from]) => (from in value ? [[name, value[from]] as const] : []))
    return { value: Object.fromEntries([...others, ...renamed]), origin }
  }
}

const ofChats = ['system', 'tools', 'functions', 'chat_template_kwargs']

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
 * Looks after the columns that a format does not read: those that would change what is learned are refused, the others
 * are noted, each once for a source.
 */
export function createColumnWatch(
  name: string,
  report: DataReport | undefined,
): (row: Row, format: DataFormat) => void {
  const known = new Set<string>()
  return ({ value, origin }, format) => {
    const unread: string[] = []
    for (const column of Object.keys(value)) {
      if (isRead(column, value, format) || isNothing(value[column])) continue
      refuseMeaning(formatOrigin(origin), column, value, format)
      if (!known.has(column)) unread.push(column)
    }
    for (const column of unread) known.add(column)
    if (unread.length > 0)
      note(
        report,
        `${name}: the column${unread.length === 1 ? '' : 's'} ${listNames(unread)} ${unread.length === 1 ? 'is' : 'are'} not read`,
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
