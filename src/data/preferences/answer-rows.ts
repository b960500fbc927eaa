import { FettleError } from '../../error.ts'
import { columnRenamer } from '../columns.ts'
import { note, skipOrThrow, type InvalidRowOptions } from '../report.ts'
import type { RowOptions } from '../row-options.ts'
import { formatOrigin, formatRows, type AnswerPart, type Origin, type Row } from '../row.ts'
import type { MixedRow } from '../mix/read-mixed-rows.ts'
import { describeValue, numberOf } from '../../formats/json/index.ts'
import { isNothing, listMany } from '../values.ts'
import { isEqual, withoutCommonBeginning } from './common-beginning.ts'
import { plural } from '../../plural.ts'

/**
 * What is learned from rows of preferences: `pairs` of a chosen and a rejected answer; `answers` that are each wanted or not, of which
 * pairs are two; or `comparisons`, pairs whose answers are scored with their prompts, as wholes.
 */
export type PreferenceKind = 'pairs' | 'answers' | 'comparisons'

/** Rows that are un-paired together, as TRL does it: all their chosen answers come before their rejected ones. */
const unpairedTogether = 1000

/** An answer to a prompt, as a row of a format that has both. */
type Answer = Row

/**
 * Makes of each row of preferences a row for each of its answers, in a format that training on answers has: `prompt` and
 * `completion`, or tokens. Its origin says which answer it is. Rows are taken as TRL takes them, with its names: an explicit prompt
 * { prompt, chosen, rejected } or one that both answers begin with { chosen, rejected }, { prompt, completion, label }, tokens
 * { prompt_ids, chosen_ids, rejected_ids } and { prompt_ids, completion_ids, label }; and { messages, label }, of which the last message
 * is the answer.
 *
 * Of pairs that are un-paired, those whose answers are equal are counted and named in the report; TRL learns both, too.
 *
 * @throws FettleError that names the row, at the first one that is none of these (`skipInvalid` leaves it out)
 */
export async function* answerRows(
  rows: AsyncIterable<MixedRow>,
  kind: PreferenceKind,
  sources: readonly RowOptions[],
  options: InvalidRowOptions = {},
): AsyncGenerator<MixedRow> {
  const renamers = sources.map(({ columns }) => columnRenamer(columns))
  let rejected: MixedRow[] = []
  const equal: Origin[] = []
  for await (const { row: given, source } of rows) {
    let answers: Answer[]
    try {
      const row = renamers[source](given)
      answers = readers[kind](row)
    } catch (error) {
      skipOrThrow(error, options, given.origin)
      continue
    }
    const [first, second] = answers.map((row) => ({ row, source }))
    yield first
    if (second?.row.origin.part === 'undesirable') {
      if (isEqual(first.row.value, second.row.value)) equal.push(given.origin)
      rejected.push(second)
    } else if (second) yield second
    if (rejected.length < unpairedTogether) continue
    yield* rejected
    rejected = []
  }
  yield* rejected
  if (equal.length > 0)
    note(
      options.report,
      `${plural(equal.length, 'pair has', 'pairs have')} equal answers, learned as wanted and as unwanted: ${formatRows(equal)}`,
    )
}

const readers: { [K in PreferenceKind]: (row: Row) => Answer[] } = {
  pairs: pairOf,
  answers: (row) => unpaired(row) ?? labelled(row),
  comparisons: compared,
}

/** The chosen and the rejected answer of a row. */
function pairOf(row: Row): Answer[] {
  const { value } = row
  const tokens = tokenAnswers(row, { chosen_ids: 'chosen', rejected_ids: 'rejected' })
  if (tokens) return tokens
  if (isNothing(value['chosen']) || isNothing(value['rejected'])) throw noPreference(row, 'pairs')
  const { prompt, chosen, rejected, ...rest } = value
  const pair = isNothing(prompt) ? withoutCommonBeginning(chosen, rejected) : { prompt, chosen, rejected }
  if (!pair)
    throw new FettleError({
      place: formatOrigin(row.origin),
      found: `chosen is ${describeValue(chosen)}, rejected ${describeValue(rejected)}`,
      expected: 'two texts, or two lists of messages',
    })
  return [
    answerOf(row, rest, pair.prompt, pair.chosen, 'chosen'),
    answerOf(row, rest, pair.prompt, pair.rejected, 'rejected'),
  ]
}

/** A pair of wholes, as tokens with or without a prompt; and the margin of its row. */
function compared(row: Row): Answer[] {
  const { margin: given, ...value } = row.value
  const margin = isNothing(given) ? undefined : numberOf(given)
  if (!isNothing(given) && !Number.isFinite(margin))
    throw new FettleError({
      place: formatOrigin(row.origin),
      found: `margin is ${describeValue(given)}`,
      expected: 'a number: by how much the chosen answer should win',
    })
  const isTokens = !isNothing(value['chosen_ids']) && isNothing(value['prompt_ids'])
  const pair = pairOf({ ...row, value: isTokens ? { ...value, prompt_ids: [] } : value })
  if (margin === undefined) return pair
  return pair.map((answer) => ({ ...answer, origin: { ...answer.origin, margin } }))
}

/** A pair as two answers. */
function unpaired(row: Row): Answer[] | undefined {
  const { value } = row
  if ((isNothing(value['chosen']) || isNothing(value['rejected'])) && isNothing(value['chosen_ids']))
    return undefined
  const [chosen, rejected] = pairOf(row)
  const as = (answer: Answer, part: AnswerPart): Answer => ({ ...answer, origin: { ...answer.origin, part } })
  return [as(chosen, 'desirable'), as(rejected, 'undesirable')]
}

/** An answer and what its label says of it; with tokens, the answer to another prompt that TRL's rows have beside it. */
function labelled(row: Row): Answer[] {
  const { label, ...value } = row.value
  if (typeof label !== 'boolean') {
    const isHere = 'label' in row.value
    throw isHere || isNothing(value['completion'])
      ? wrongLabel(row, label, isHere)
      : noPreference(row, 'answers')
  }
  const part = label ? 'desirable' : 'undesirable'
  const tokens = tokenAnswers(row, { completion_ids: part, KL_completion_ids: 'mismatched' })
  if (tokens) return tokens.map((answer) => withoutColumn(answer, 'label'))
  const turns = isNothing(value['messages']) ? 'conversations' : 'messages'
  const messages = value[turns]
  if (Array.isArray(messages) && messages.length > 1) {
    const { [turns]: _, ...rest } = value
    return [answerOf(row, rest, messages.slice(0, -1), messages.slice(-1), part)]
  }
  if (isNothing(value['completion'])) throw noPreference(row, 'answers')
  const { prompt, completion, ...rest } = value
  return [answerOf(row, rest, prompt, completion, part)]
}

function answerOf(
  { origin }: Row,
  rest: Row['value'],
  prompt: unknown,
  completion: unknown,
  part: AnswerPart,
): Answer {
  return { value: { ...rest, prompt, completion }, origin: { ...origin, part } }
}

/** Answers that are tokens already; undefined where the first of these columns is not there. */
function tokenAnswers(row: Row, columns: Readonly<Record<string, AnswerPart>>): Answer[] | undefined {
  const { value, origin } = row
  const names = Object.keys(columns)
  if (isNothing(value[names[0]]) && isNothing(value['prompt_ids'])) return undefined
  const place = formatOrigin(origin)
  const list = (name: string): unknown[] => {
    const given = value[name]
    if (Array.isArray(given) && (given.length > 0 || name === 'prompt_ids')) return given
    throw new FettleError({
      place,
      found: `${name} is ${describeValue(given)}`,
      expected: 'a list of token ids',
    })
  }
  const prompt = list('prompt_ids')
  const taken = new Set([...names, 'prompt_ids'])
  const rest = Object.fromEntries(Object.entries(value).filter(([name]) => !taken.has(name)))
  return names
    .filter((name) => name !== 'KL_completion_ids' || !isNothing(value[name]))
    .map((name) => {
      const answer = list(name)
      const mask = [...prompt.map(() => 0), ...answer.map(() => 1)]
      return {
        value: { ...rest, input_ids: [...prompt, ...answer], completion_mask: mask },
        origin: { ...origin, part: columns[name] },
      }
    })
}

function withoutColumn(row: Row, name: string): Row {
  return { ...row, value: Object.fromEntries(Object.entries(row.value).filter(([key]) => key !== name)) }
}

function wrongLabel({ origin }: Row, label: unknown, isHere: boolean): FettleError {
  return new FettleError({
    place: formatOrigin(origin),
    found: isHere ? `label is ${describeValue(label)}` : 'no label',
    expected: 'true or false: whether the answer is wanted',
    cure: 'Write true and false without quotes; another column may be named with columns: { label: thumbs_up }.',
  })
}

function noPreference({ value, origin }: Row, kind: PreferenceKind): FettleError {
  const empty = ['chosen', 'rejected', 'completion'].filter((name) => name in value && isNothing(value[name]))
  return new FettleError({
    place: formatOrigin(origin),
    found:
      empty.length > 0
        ? empty.map((name) => `${name} is ${describeValue(value[name])}`).join(', ')
        : `columns ${listMany(Object.keys(value)) || '(none)'}`,
    expected:
      kind !== 'answers'
        ? 'chosen and rejected, with or without prompt'
        : 'prompt, completion and label; messages and label; or chosen and rejected',
    cure:
      empty.length > 0
        ? 'An answer has at least a word.'
        : 'Say what they are with columns (docs/preferences.md).',
  })
}
