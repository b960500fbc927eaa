import type { EncodedExample } from '../../data/index.ts'
import { prepareExamples } from '../../data/index.ts'
import type { NumericResult, Subjects } from '../../doctor/index.ts'
import { collect, numericSelfTests } from '../../doctor/index.ts'
import { FettleError } from '../../error.ts'
import type { LoadOptions } from '../../model/index.ts'
import { AutoModelForCausalLM } from '../../model/index.ts'
import { showNotices } from '../terminal/notices.ts'

/** Rows of the data that the tests compute with. */
const exampleCount = 4

/**
 * Loads the model that the doctor was shown, with its adapter, and tests the arithmetic on it.
 *
 * @throws FettleError when there is no model
 */
export async function* runNumericTests(
  subjects: Subjects,
  options: LoadOptions,
): AsyncGenerator<NumericResult> {
  const { model: files, adapter, tokenizer, data } = await collect(subjects)
  if (files === undefined)
    throw new FettleError({
      place: '--numeric',
      found: 'no model',
      expected: 'one to compute with, in --model',
    })
  const model = await AutoModelForCausalLM.fromPretrained(files.path, options)
  // What the files hold is among the diagnoses.
  showNotices(model.notices.filter(({ place }) => place === 'engine'))
  if (adapter) await model.loadAdapter(adapter.path)
  const examples: EncodedExample[] = []
  const [first] = data
  if (first !== undefined && tokenizer !== undefined) {
    const source = { path: first.path, ...(first.columns && { columns: first.columns }) }
    for await (const example of prepareExamples([source], tokenizer.tokenizer)) {
      examples.push(example)
      if (examples.length >= exampleCount) break
    }
  }
  yield* numericSelfTests(model, examples)
}
