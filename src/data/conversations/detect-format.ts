import { FettleError } from '../../error.ts'
import { isJsonObject } from '../../formats/json/index.ts'
import { noColumn } from '../columns.ts'
import { shapeOf } from './message-shape.ts'
import { columnNames, type DataFormat, type MessageKeys } from '../row-options.ts'
import { formatOrigin, type Row } from '../row.ts'
import { listMany } from '../values.ts'

const formatColumns =
  'messages, conversations, prompt and completion, instruction and output, text or input_ids'

/**
 * The format that a row's columns tell: tokens before messages before text, the most explicit one first.
 *
 * @param missing  columns that were to be renamed and are not in the row, as `[fettle's name, the file's]`
 * @throws FettleError that lists the columns, when they tell none
 */
export function detectFormat(
  row: Row,
  missing: readonly (readonly [string, string])[] = [],
  messageKeys?: MessageKeys,
): DataFormat {
  const format = formatOf(row, messageKeys)
  if (format !== undefined) return format
  const { value, origin } = row
  const names = Object.keys(value)
  const [first] = missing
  if (first !== undefined) throw noColumn(origin, first, names)
  const isNull = names.find((name) => columnNames.some((known) => known === name) && value[name] === null)
  const cure = columnCure(value, origin.file)
  throw new FettleError({
    place: formatOrigin(origin),
    found:
      isNull !== undefined
        ? `${isNull} is null`
        : names.length === 0
          ? 'no columns'
          : `columns ${listMany(names)}`,
    expected:
      isNull === undefined
        ? formatColumns
        : /^(?:messages|conversations)$/.test(isNull)
          ? 'a list of messages'
          : isNull === 'input_ids'
            ? 'a list of whole numbers'
            : 'a text, or a list of messages where the format has them',
    ...(isNull === undefined && cure !== undefined && { cure }),
  })
}

/** The format that the columns tell, where they tell one. */
export function formatOf({ value }: Row, messageKeys?: MessageKeys): DataFormat | undefined {
  const has = (...names: string[]) => names.every((name) => value[name] !== undefined && value[name] !== null)
  if (has('input_ids')) return 'tokens'
  const turns: unknown = value['messages'] ?? value['conversations']
  const first: unknown = Array.isArray(turns) ? turns[0] : undefined
  const role = isJsonObject(first) && shapeOf(first, messageKeys).role
  if (role === 'from') return 'sharegpt'
  if (has('messages') || (isJsonObject(first) && typeof role === 'string' && role in first)) return 'messages'
  if (has('conversations')) return 'sharegpt'
  if (has('prompt', 'completion')) return 'prompt_completion'
  if (has('instruction', 'output') || has('input', 'output')) return 'instruct'
  return has('text') ? 'text' : undefined
}

/** The columns without which a row is not of a format. */
const needed: { [Format in DataFormat]: readonly string[] } = {
  messages: ['messages', 'conversations'],
  sharegpt: ['messages', 'conversations'],
  prompt_completion: ['prompt', 'completion'],
  instruct: ['instruction', 'input', 'output'],
  text: ['text'],
  tokens: ['input_ids'],
}

/**
 * Stops at a row that has nothing of the format of the first one.
 *
 * @throws FettleError
 */
export function requireFormat({ value, origin }: Row, format: DataFormat, isDetected: boolean): void {
  if (needed[format].some((name) => name in value)) return
  const [column] = needed[format]
  throw new FettleError({
    place: formatOrigin(origin),
    found: `no ${column} among the columns ${listMany(Object.keys(value)) || '(none)'}`,
    expected: isDetected ? `${column}, as in the first row` : `${column}, as the format ${format} has it`,
    cure: isDetected
      ? 'Put rows of another format into a file of their own.'
      : 'Leave the format to the first row (format: auto), or say what the columns are with columns.',
  })
}

const questionColumn = /^(question|query|user|human|problem|inputs?|instruction|prompt|q)$/i
const answerColumn = /^(answer|response|reply|assistant|solution|targets?|outputs?|completion|a)$/i

/** What to write, where it is clear which columns are question and answer: those of such names, or the only two texts. */
function columnCure(value: Row['value'], file: string): string | undefined {
  const names = Object.keys(value).filter((name) => typeof value[name] === 'string')
  const known = names.filter((name) => questionColumn.test(name))
  const answers = names.filter((name) => answerColumn.test(name))
  const isTwo = names.length === 2
  const answer = answers.at(0) ?? (isTwo ? names.findLast((name) => name !== known[0]) : undefined)
  const question =
    known.find((name) => name !== answer) ?? (isTwo ? names.find((name) => name !== answer) : undefined)
  if (question === undefined || answer === undefined || known.length > 1 || answers.length > 1)
    return 'Say what they are with columns (docs/data.md).'
  const columns =
    question === 'prompt'
      ? `columns: { completion: ${answer} }`
      : answer === 'completion'
        ? `columns: { prompt: ${question} }`
        : question === 'instruction' || question === 'input'
          ? `columns: { output: ${answer} }`
          : answer === 'output'
            ? `columns: { input: ${question} }`
            : `columns: { input: ${question}, output: ${answer} }`
  return `Say what they are with ${columns}. As a flag: --data '{ path: ${file}, ${columns} }'.`
}
