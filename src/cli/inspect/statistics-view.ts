import type { ColumnStatistics, SourceReport } from '../../data/index.ts'
import { count, percent } from '../terminal/numbers.ts'
import { clip } from '../terminal/paint.ts'
import { wrap, type Terminal } from '../terminal/terminal.ts'
import { binsOf, drawHistogram } from './histogram.ts'
import type { DataStatistics } from './statistics.ts'
import { plural } from '../../plural.ts'

/** What data are: each source with its columns, the lengths of the examples, what is learned and what is lost. */
export function showStatistics(statistics: DataStatistics, terminal: Terminal): string[] {
  const { paint, width } = terminal
  const { examples, lengths } = statistics
  const lines = statistics.sources.flatMap(({ found, columns, leftOut }) => [
    ...indented(sourceLine(found, statistics.isPartial), width, '').map(paint.bold),
    ...columns.flatMap((column) => columnLines(column, found, terminal)),
    ...(leftOut > 0 ? [`  and ${plural(leftOut, 'more column')}`] : []),
    '',
  ])
  if (examples === 0) return lines
  const range =
    lengths.min === lengths.max
      ? plural(lengths.min, 'token')
      : `${count(lengths.min)} to ${plural(lengths.max, 'token')}, median ${count(lengths.quantile(0.5))}`
  const title = `lengths of ${statistics.isPartial ? 'the first ' : ''}${plural(examples, 'example')}: ${range}`
  return [
    ...lines,
    ...indented(title, width, '').map(paint.bold),
    ...drawHistogram(binsOf(lengths), terminal),
    '',
    ...[...learnedLines(statistics), ...rowLines(statistics)].flatMap((line) => indented(line, width, '  ')),
  ]
}

function sourceLine({ name, format, rows, conversations }: SourceReport, isPartial: boolean): string {
  const used = conversations >= rows ? '' : `, ${count(conversations)} of them used`
  return `${name} · ${format === undefined ? 'no format found' : `format ${format}`} · ${isPartial ? 'at least ' : ''}${plural(rows, 'row')}${used}`
}

function columnLines(
  column: ColumnStatistics,
  { columns: { read } }: SourceReport,
  { paint, width }: Terminal,
): string[] {
  const { name, kinds, nulls, distinct, isMore, lengths, example } = column
  const as = read[name]
  const use = as === undefined ? paint.yellow('not read') : as === name ? 'read' : `read as ${as}`
  const shares = Object.entries(kinds)
  const kind = shares.map(([of, number]) => (shares.length === 1 ? of : `${of} ${count(number)}`)).join(', ')
  const facts = [
    kind === '' ? 'always null' : kind,
    ...(nulls > 0 && kind !== '' ? [`${count(nulls)} null`] : []),
    ...(kind === ''
      ? []
      : [isMore ? `more than ${count(distinct)} distinct` : `${count(distinct)} distinct`]),
    ...(lengths === undefined ? [] : [lengthText(lengths)]),
  ]
  return [
    ...indented([paint.bold(name), use, ...facts.map(unbroken)].join(' · '), width, '  '),
    ...(example === '' ? [] : [clip(`    ${paint.dim(example.replaceAll('\n', '\\n'))}`, width)]),
  ]
}

function lengthText({ unit, min, median, max }: NonNullable<ColumnStatistics['lengths']>): string {
  return min === max
    ? `${count(min)} ${unit}`
    : `${count(min)} to ${count(max)} ${unit}, median ${count(median)}`
}

function learnedLines({ tokens, learnedTokens, lost, maxLength, longPrompts }: DataStatistics): string[] {
  if (longPrompts !== undefined)
    return [
      longPrompts === 0
        ? `no prompt is longer than max_length ${count(maxLength)}`
        : `longer than max_length ${count(maxLength)}, and left out: ${plural(longPrompts, 'prompt')}`,
    ]
  const kept = lost.keptLearned
  return [
    `learned: ${count(learnedTokens)} of ${plural(tokens, 'token')} (${percent(learnedTokens / Math.max(1, tokens))})`,
    ...(lost.unlearnedExamples === 0
      ? []
      : [
          `nothing to learn: ${plural(lost.unlearnedExamples, 'example')} of ${plural(lost.unlearnedTokens, 'token')}, not trained on`,
        ]),
    lost.truncatedExamples === 0
      ? `lost: nothing; no example is longer than max_length ${count(maxLength)}`
      : `lost to max_length ${count(maxLength)}: ${plural(lost.droppedTokens, 'token')}, ${count(lost.droppedLearned)} of them learned, of ${plural(lost.truncatedExamples, 'example')} that are longer; ${[
          `${plural(lost.cutStops, 'answer')} without stop token`,
          ...(lost.lostAnswers > 0 ? [`${plural(lost.lostAnswers, 'answer')} as a whole`] : []),
          ...(lost.lostExamples > 0 ? [`${plural(lost.lostExamples, 'example')} left out`] : []),
        ].join(', ')}; ${count(kept)} learned tokens are left`,
  ]
}

function rowLines({ report, isPartial, examples }: DataStatistics): string[] {
  const { duplicates, mappedAway, heldOut, repeated } = report
  return [
    ...(duplicates > 0 ? [`duplicates left out: ${count(duplicates)}`] : []),
    ...(mappedAway > 0 ? [`left out by map: ${count(mappedAway)}`] : []),
    ...(heldOut > 0 ? [`held out for evaluation: ${plural(heldOut, 'row')}`] : []),
    ...(repeated > 0 ? [`read again: ${plural(repeated, 'row')}`] : []),
    ...(isPartial ? [`This is of the first ${plural(examples, 'example')}; --stats reads all.`] : []),
  ]
}

/** What belongs together on a line. */
function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00A0')
}

function indented(text: string, width: number, indent: string): string[] {
  return wrap(text, Math.max(20, width - indent.length - 2)).map(
    (line, i) => `${indent}${i > 0 ? '  ' : ''}${line.replaceAll('\u00A0', ' ')}`,
  )
}
