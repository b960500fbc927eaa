import type { SpanStatus } from '../../chat/index.ts'
import { formatOrigin, type DataReport, type InspectedExample } from '../../data/index.ts'
import { quoteValue } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { TurnParity } from './serve-parity.ts'
import { clip } from '../terminal/paint.ts'
import type { Terminal } from '../terminal/terminal.ts'
import type { InspectedPrompt } from './prompts.ts'
import { plural } from '../../plural.ts'

type Paint = Terminal['paint']

/** How each status is shown, and what it means. */
const statuses: Record<SpanStatus, { colour: (paint: Paint) => (text: string) => string; means: string }> = {
  marked: { colour: (paint) => paint.green, means: 'the template says so' },
  proved: { colour: (paint) => paint.green, means: 'it begins where generation begins' },
  aligned: { colour: (paint) => paint.yellow, means: 'it begins where the prompt stops agreeing' },
  inferred: { colour: (paint) => paint.red, means: 'where it begins is a guess' },
  dropped: { colour: (paint) => paint.red, means: 'the template leaves out what it says or calls' },
  'no-stop': { colour: (paint) => paint.red, means: 'nothing teaches the model to stop' },
}

/** Tokens of an earlier turn that are worth showing again. */
const shownAgain = 200

/**
 * A conversation: its text with what is learned in colour (in brackets without colours), and its spans. What the turn before it
 * showed already is left out where it is long.
 */
export function showExample(example: InspectedExample, tokenizer: Tokenizer, { paint }: Terminal): string {
  const { inputIds, mask, spans, straddles, origin, sharedTokens = 0 } = example
  const from = sharedTokens > shownAgain ? sharedTokens : 0
  const learned = mask.reduce((sum, bit) => sum + bit, 0)
  const lines = spans.map(({ message, start, end, status }) => {
    const { colour, means } = statuses[status]
    const last = quote(tokenizer.decode([inputIds[end - 1]]))
    const ending = status === 'no-stop' ? paint.red(`ends in ${last}`) : `ends in ${paint.magenta(last)}`
    return `  message ${message} · ${colour(paint)(status)}: ${means} · tokens ${start}–${end - 1} · ${ending}`
  })
  const borders = straddles.map(({ message, token, border }) => {
    const text = quote(tokenizer.decode([inputIds[token]]))
    return `  ${paint.yellow('border')} message ${message}: token ${token} ${text} lies across its ${border} and is learned as a whole`
  })
  const losses = (example.dropped ?? []).map(
    ({ message, field }) =>
      `  ${paint.red('dropped')} message ${message}: the template leaves out its ${field}; a training run stops here`,
  )
  return [
    paint.bold(
      `${formatOrigin(origin)}${wantedText(origin)} · ${plural(inputIds.length, 'token')}, ${learned} learned${origin.heldOut === true ? ' · held out' : ''}`,
    ),
    (from > 0 ? paint.dim(`… ${plural(from, 'token')} as in the turn before …\n`) : '') +
      coloured(example, from, tokenizer, paint),
    ...(spans.length === 0 ? [`  ${paint.red('nothing is learned')}`] : lines),
    ...losses,
    ...borders,
    '',
  ].join('\n')
}

/** A prompt that is completed: its text, and the columns of its row, which reward functions get, a line each. */
export function showPrompt(
  { inputIds, text, origin, row }: InspectedPrompt,
  { paint, width }: Terminal,
): string {
  return [
    paint.bold(
      `${formatOrigin(origin)} · ${plural(inputIds.length, 'token')}${origin.heldOut === true ? ' · held out' : ''}`,
    ),
    text,
    ...Object.entries(row).map(([name, value]) =>
      clip(`  row.${name} ${paint.dim(quoteValue(value))}`, width),
    ),
    '',
  ].join('\n')
}

/** What happened to rows besides becoming examples. */
export function showReport({ rows, invalidRows, invalid, notes }: DataReport): string[] {
  const more = invalidRows - invalid.length
  return [
    ...(invalidRows === 0 ? [] : [`left out: ${plural(invalidRows, 'row')} of ${rows} that cannot be used`]),
    ...invalid.map(({ place, reason }) => `  ${place}: ${reason}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...notes.map((text) => `note: ${text}`),
  ]
}

/** The text of the tokens from an index on: learned ones green, stop tokens magenta, the rest dim. */
function coloured(
  { inputIds, mask, spans }: InspectedExample,
  from: number,
  tokenizer: Tokenizer,
  paint: Paint,
): string {
  const stops = new Set(spans.filter(({ status }) => status !== 'no-stop').map(({ end }) => end - 1))
  const decoding = tokenizer.createDecodeStream()
  let shown = ''
  let run = { kind: 0, text: '' }
  const finish = (): void => {
    shown += paintRun(run.text, run.kind, paint)
    run = { kind: 0, text: '' }
  }
  inputIds.subarray(from).forEach((id, index) => {
    const i = from + index
    const text = decoding.push(id)
    const kind = mask[i] === 0 ? 0 : stops.has(i) ? 2 : 1
    if (kind !== run.kind) finish()
    run = { kind, text: run.text + text }
  })
  run.text += decoding.flush()
  finish()
  // Without colours a learned stretch stands in brackets; its stop token belongs to it.
  return shown.replaceAll('⟧⟦', '')
}

/** 0 not learned, 1 learned, 2 a stop token that is learned. */
function paintRun(text: string, kind: number, paint: Paint): string {
  if (text === '') return ''
  if (!paint.isColorSupported) return kind === 0 ? text : `⟦${text}⟧`
  const colour =
    kind === 0 ? paint.dim : kind === 1 ? paint.green : (stop: string) => paint.bold(paint.magenta(stop))
  // Each line by itself: a pager loses colours at the end of a line.
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : colour(line)))
    .join('\n')
}

/** Where what a model saw in training before an answer parts from what a server gives it. */
export function showTurn(turn: TurnParity, tokenizer: Tokenizer, { paint }: Terminal): string {
  const { message } = turn
  if (turn.kind === 'refused')
    return `  message ${message} · ${paint.yellow('not served')}: the template refuses this history: ${turn.reason}`
  if (turn.kind === 'same')
    return `  message ${message} · ${paint.green('same')}: the ${plural(turn.tokens, 'token')} before it`
  const { trainingIds, servingIds, partsAt } = turn
  const around = (ids: Int32Array): string => {
    const before = quote(tokenizer.decode(ids.subarray(Math.max(0, partsAt - 6), partsAt)))
    const after = ids.subarray(partsAt, partsAt + 8)
    const text = after.length === 0 ? paint.dim('nothing more') : paint.yellow(quote(tokenizer.decode(after)))
    return `${before} then ${text} ${paint.dim(`[${after.join(', ')}${ids.length > partsAt + 8 ? ', …' : ''}]`)}`
  }
  return [
    `  message ${message} · ${paint.red('differs')} from token ${partsAt} on, of ${trainingIds.length} in training and ${servingIds.length} when served`,
    `    training ${around(trainingIds)}`,
    `    serving  ${around(servingIds)}`,
  ].join('\n')
}

/** Whether an answer with a label is wanted. */
function wantedText({ part }: InspectedExample['origin']): string {
  return part === 'desirable' ? ' (wanted)' : part === 'undesirable' ? ' (unwanted)' : ''
}

function quote(text: string): string {
  return JSON.stringify(text)
}
