import { stat } from 'node:fs/promises'
import type { Tokenizer } from '../tokenizer/index.ts'
import { FettleError } from '../error.ts'
import type { EncodedExample, ExampleOptions } from './encode-conversations.ts'
import { toConversations } from './to-conversations.ts'
import { createDataReport, type DataReport } from './report.ts'
import { sourceName, sourceOf, type DataSource } from './row-options.ts'
import { readRows, resolveFiles } from './sources/index.ts'
import { createEncodingPool } from './workers/encoding-pool.ts'
import { encodeInThreads } from './workers/encode-in-threads.ts'

/** How rows become examples. */
export interface PrepareOptions extends ExampleOptions {
  /** Threads that tokenise where there is enough to do; then examples have no texts (default 1: this one). */
  threads?: number | undefined
}

/**
 * From files to examples, one source after the other; holds some batches of rows at a time.
 *
 * @throws FettleError that names file and line of the first row that cannot be used (`skipInvalid` leaves it out); when a source
 *   has no rows; when no token of all of them is learned
 */
export async function* prepareExamples(
  sources: readonly (string | DataSource)[],
  tokenizer: Tokenizer,
  { threads = 1, ...options }: PrepareOptions = {},
): AsyncGenerator<EncodedExample> {
  let learned = false
  const { report = createDataReport(), ...given } = options
  const pool = createEncodingPool(tokenizer, given, threads)
  try {
    for (const source of sources.map(sourceOf)) {
      const before = { ...report }
      let examples = 0
      if (threads > 1) pool.expect(await sizeOf(source))
      // What happens to rows is told when it is their turn.
      const reading = createDataReport()
      const conversations = toConversations(readRows(source, { ...options, report: reading }), {
        ...source,
        ...options,
        report: reading,
        trainOnInput: options.policy?.trainOnInput,
      })
      const encoded = encodeInThreads(conversations, tokenizer, { ...options, report, reading }, pool)
      for await (const example of encoded) {
        examples++
        // The first token of an example has nothing before it that could predict it.
        learned ||= example.mask.includes(1, 1)
        yield example
      }
      if (examples === 0) throw nothingIn(source, report, before)
    }
  } finally {
    await pool.close()
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

/** Bytes of a source's files; 0 where it has none. Compressed ones hold some times as much, which is not worth opening them for. */
async function sizeOf(source: DataSource): Promise<number> {
  const files = (await resolveFiles(source).catch(() => undefined)) ?? []
  const sizes = await Promise.all(
    files.map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
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
