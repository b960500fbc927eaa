import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { AutoModelForCausalLM, internalsOf, openUnloaded, parametersOf } from '../../src/model/index.ts'
import { fixture } from './golden.ts'

const peft = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'peft', name)
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-unloaded-'))

/** An adapter of every kind, and the model that it is on. */
const cases = [
  ['gaussian', 'llama'],
  ['bias-all', 'qwen2'],
  ['dora-llama', 'llama'],
  ['dora-conv1d', 'gpt2'],
  ['pissa', 'llama'],
  ['dora-pissa', 'qwen3'],
  ['tied', 'llama-tied-rope3'],
  ['tied-head-parts', 'llama-tied-rope3'],
  ['lora-both-resized', 'llama'],
  ['tables-tied', 'llama-tied-rope3'],
  ['experts-patterns', 'gpt-oss'],
] as const

it.each(cases)(
  '%s: what is written without loading the weights has the bytes of what is merged',
  async (name, base) => {
    const [unloaded, loaded] = [temporary(), temporary()]
    const source = await openUnloaded(fixture(base), peft(name), { engine: 'reference' })
    await source.merge()
    await source.save(unloaded, { dtype: 'float32', generationConfig: {} })
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), { engine: 'reference' })
    await model.loadAdapter(peft(name))
    await model.mergeAdapter()
    await model.save(loaded, { dtype: 'float32' })
    for (const file of ['model.safetensors', 'config.json'])
      expect(readFileSync(join(unloaded, file)).equals(readFileSync(join(loaded, file))), file).toBe(true)
  },
)

it.each(cases)('%s: rows are those of the whole', async (name, base) => {
  const source = await openUnloaded(fixture(base), peft(name), { engine: 'reference' })
  await source.merge()
  for (const parameter of parametersOf(source.architecture)) {
    const whole = await source.values(parameter)
    const rows = whole.length / parameter.columns
    const first = Math.floor(rows / 3)
    const some = await source.values(parameter, { first, rows: rows - first })
    expect(some, parameter.key).toEqual(whole.subarray(first * parameter.columns))
  }
})

it('holds no weight', async () => {
  const { state } = await openUnloaded(fixture('llama'), undefined, { engine: 'reference' })
  expect(state.frozen.size).toBe(0)
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  expect(internalsOf(model).state.frozen.size).toBeGreaterThan(0)
})
