import { join } from 'node:path'
import { expect, it } from 'vitest'
import { numericSelfTests, type NumericResult } from '../../src/doctor/index.ts'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'

const fixture = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'models', name)

async function resultsOf(name: string, options: LoadOptions, adapter?: string): Promise<NumericResult[]> {
  const model = await AutoModelForCausalLM.fromPretrained(fixture(name), options)
  if (adapter !== undefined) await model.loadAdapter(adapter)
  const results: NumericResult[] = []
  for await (const result of numericSelfTests(model)) results.push(result)
  return results
}

const cases: [string, string, LoadOptions, string | undefined][] = [
  ['llama on the reference engine', 'llama', { engine: 'reference', dtype: 'float32' }, undefined],
  ['tied embeddings', 'llama-tied-rope3', { engine: 'reference', dtype: 'float32' }, undefined],
  [
    'a window and an adapter of PEFT',
    'mistral',
    { engine: 'reference', dtype: 'float32' },
    fixture('mistral/lora'),
  ],
]
const nativeCases: typeof cases = [
  ['the native engine', 'qwen3', { engine: 'native', dtype: 'float32', threads: 2 }, undefined],
  ['the native engine in bfloat16', 'qwen2', { engine: 'native', dtype: 'bfloat16', threads: 2 }, undefined],
]

it.each([...cases, ...(nativeProblem() === undefined ? nativeCases : [])])(
  'passes for %s',
  async (_, name, options, adapter) => {
    const results = await resultsOf(name, options, adapter)
    expect(results.map(({ test }) => test)).toEqual([
      'accumulated-equals-one-batch',
      'packed-equals-separate',
      'packed-documents-do-not-leak',
      'left-padding-equals-right',
      'adapter-merged-equals-live',
    ])
    expect(results.filter(({ passed }) => !passed)).toEqual([])
    expect(results[2].difference).toBe(0)
    // An adapter that changes nothing would pass whatever merging does.
    expect(results[4].difference).toBeGreaterThan(0)
  },
)

it('sees a model whose packed documents see each other', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  const forward = model.forward.bind(model)
  // As transformers does with its default cache: no document ids.
  model.forward = ({ inputIds, attentionMask }) =>
    forward({ inputIds, ...(attentionMask && { attentionMask }) })
  const failed: string[] = []
  for await (const { test, passed } of numericSelfTests(model)) if (!passed) failed.push(test)
  expect(failed).toEqual(['packed-equals-separate', 'packed-documents-do-not-leak'])
})
