import { stat } from 'node:fs/promises'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'
import type { EncodedExample, ExampleOptions } from './encode-conversations.ts'
import { readConversations, sourceReports, type ReadOptions } from '../mix/index.ts'
import { refuseUseless } from '../nothing-in.ts'
import { createDataReport } from '../report.ts'
import { sourceName, sourceOf, type DataSource } from '../row-options.ts'
import { resolveFiles } from '../sources/index.ts'
import { createEncodingPool } from '../workers/encoding-pool.ts'
import { encodeInThreads } from '../workers/encode-in-threads.ts'

/** How rows become examples. */
export interface PrepareOptions extends ExampleOptions, Omit<ReadOptions, 'trainOnInput'> {
  /** Threads that tokenise where there is enough to do; then examples have no texts (default 1: this one). */
  threads?: number | undefined
}

/**
 * From files to examples, one source after the other or mixed by weight; holds some batches of rows at a time.
 *
 * @throws FettleError that names file and line of the first row that cannot be used (`skipInvalid` leaves it out); when a source
 *   has no rows; when no token of all of them is learned
 */
export async function* prepareExamples(
  sources: readonly (string | DataSource)[],
  tokenizer: Tokenizer,
  { threads = 1, ...options }: PrepareOptions = {},
): AsyncGenerator<EncodedExample> {
  if (sources.length === 0)
    throw new FettleError({ place: 'data', found: 'no sources', expected: 'at least one file' })
  const given = sources.map(sourceOf)
  const { policy, perTurn, variables, vocabSize, skipInvalid } = options
  const encoding = { policy, perTurn, variables, vocabSize, skipInvalid }
  const { report = createDataReport(), found = sourceReports(given) } = options
  report.sources = found
  let examples = 0
  let learned = false
  const pool = createEncodingPool(tokenizer, encoding, threads)
  try {
    if (threads > 1) for (const source of given) pool.expect(await sizeOf(source))
    // What happens to rows is told when it is their turn.
    const reading = createDataReport()
    const { trainOnInput } = policy ?? {}
    const conversations = readConversations(given, { ...options, report: reading, found, trainOnInput })
    const encoded = encodeInThreads(conversations, tokenizer, { ...encoding, report, reading }, pool)
    for await (const example of encoded) {
      examples++
      // The first token of an example has nothing before it that could predict it.
      learned ||= example.mask.includes(1, 1)
      yield example
    }
  } finally {
    await pool.close()
  }
  refuseUseless(found, report, examples)
  if (!learned)
    throw new FettleError({
      place: given.map(sourceName).join(', '),
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
