import type { Tokenizer } from '../tokenizer/index.ts'
import { FettleError } from '../error.ts'
import { encodeConversations, type ExampleOptions, type EncodedExample } from './encode-conversations.ts'
import { toConversations } from './to-conversations.ts'
import { readRows, sourceOf, type DataSource } from './source.ts'

/**
 * From files to examples, one source after the other; holds a batch of rows at a time. A `.json` file is held as
 * a whole while it is read.
 *
 * @throws FettleError that names file and line of a row that cannot be used; when a source has no rows; when no
 *   token of all of them is learned
 */
export async function* prepareExamples(
  sources: readonly (string | DataSource)[],
  tokenizer: Tokenizer,
  options: ExampleOptions = {},
): AsyncGenerator<EncodedExample> {
  let learned = false
  for (const source of sources.map(sourceOf)) {
    let examples = 0
    const conversations = toConversations(readRows(source), {
      ...source,
      trainOnInput: options.policy?.trainOnInput,
    })
    for await (const example of encodeConversations(conversations, tokenizer, options)) {
      examples++
      // The first token of an example has nothing before it that could predict it.
      learned ||= example.mask.includes(1, 1)
      yield example
    }
    if (examples === 0)
      throw new FettleError({ place: sourceName(source), found: 'no rows', expected: 'at least one' })
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

/** How errors and summaries call a source. */
export function sourceName(source: DataSource): string {
  return 'path' in source ? source.path : (source.name ?? 'data')
}
