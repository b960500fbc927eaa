import type { Tokenizer } from '../tokenizer/index.ts'
import { FettleError } from '../error.ts'
import { encodeConversations, type ExampleOptions, type EncodedExample } from './encode-conversations.ts'
import { toConversations } from './to-conversations.ts'
import { createDataReport, type DataReport } from './report.ts'
import { sourceName, sourceOf, type DataSource } from './row-options.ts'
import { readRows } from './sources/index.ts'

/**
 * From files to examples, one source after the other; holds a batch of rows at a time.
 *
 * @throws FettleError that names file and line of a row that cannot be used (`skipInvalid` leaves it out); when a source
 *   has no rows; when no token of all of them is learned
 */
export async function* prepareExamples(
  sources: readonly (string | DataSource)[],
  tokenizer: Tokenizer,
  options: ExampleOptions = {},
): AsyncGenerator<EncodedExample> {
  let learned = false
  const report = options.report ?? createDataReport()
  for (const source of sources.map(sourceOf)) {
    const before = { ...report }
    let examples = 0
    const conversations = toConversations(readRows(source, { ...options, report }), {
      ...source,
      ...options,
      report,
      trainOnInput: options.policy?.trainOnInput,
    })
    for await (const example of encodeConversations(conversations, tokenizer, { ...options, report })) {
      examples++
      // The first token of an example has nothing before it that could predict it.
      learned ||= example.mask.includes(1, 1)
      yield example
    }
    if (examples === 0) throw nothingIn(source, report, before)
  }
  if (sources.length === 0)
    throw new FettleError({ place: 'data', found: 'no sources', expected: 'at least one file' })
  if (!learned)
    throw new FettleError({
      place: sources.map((source) => sourceName(sourceOf(source))).join(', '),
      found: 'no token to learn in any row',
      expected: 'answers of an assistant, completions or texts',
      cure: 'Look at the rows with fettle inspect; train_on_input: true learns everything.',
    })
}

/** What to say of a source that gave no example: it has no rows, or all of them were left out. */
export function nothingIn(
  source: DataSource,
  report: Pick<DataReport, 'rows' | 'invalidRows' | 'invalid'>,
  before: Pick<DataReport, 'rows' | 'invalidRows'> = { rows: 0, invalidRows: 0 },
): FettleError {
  const place = sourceName(source)
  const left = report.invalidRows - before.invalidRows
  const why = report.invalid.find((row) => row.place.startsWith(place))?.reason
  return report.rows === before.rows || left === 0
    ? new FettleError({ place, found: 'no rows', expected: 'at least one' })
    : new FettleError({
        place,
        found: `${left} rows, none of which can be used${why === undefined ? '' : `; the first: ${why}`}`,
        expected: 'at least one that can',
      })
}
