import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import {
  AutoModelForCausalLM,
  internalsOf,
  type ForwardInputs,
  type LoadOptions,
} from '../../src/model/index.ts'
import { fixture, goldenModels, maxDifference, readTensors } from './golden.ts'

const peft = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'peft', name)

/** Adapters that PEFT made, and what they train beside LoRA. */
const cases: [adapter: string, base: string][] = [
  ...goldenModels.map((name): [string, string] => [fixture(name, 'lora'), name]),
  [peft('bias-all'), 'qwen2'],
  [peft('tied-embedding-parts'), 'llama-tied-rope3'],
  [peft('tied-head-parts'), 'llama-tied-rope3'],
  [peft('tied-stays-tied'), 'llama-tied-rope3'],
  [peft('every-norm-one-layer'), 'qwen3'],
  [peft('untied-both'), 'llama'],
  [peft('tied'), 'llama-tied-rope3'],
  [peft('pissa'), 'llama'],
  [peft('olora'), 'llama'],
  [peft('lora-both'), 'llama'],
  [peft('lora-head-tied'), 'llama-tied-rope3'],
]

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined
    ? ([
        { engine: 'native', dtype: 'float32', threads: 2 },
        { engine: 'native', dtype: 'bfloat16', threads: 2 },
      ] as const)
    : []),
]

/** Logits [n, vocabulary] of the tokens without padding. */
function logitsOf(model: AutoModelForCausalLM, inputs: ForwardInputs): Promise<Float32Array> {
  const { passes, flatten } = internalsOf(model)
  return passes.logits(flatten(inputs))
}

function without(model: AutoModelForCausalLM, inputs: ForwardInputs): Promise<Float32Array> {
  const { withoutAdapter, flatten } = internalsOf(model)
  return withoutAdapter((passes) => passes.logits(flatten(inputs)))
}

describe.each(engines)('without its adapter, $engine in $dtype', (options) => {
  it.each(cases)(
    '%s: the model computes what it computed before, and with it what it did',
    async (adapter, name) => {
      const golden = await readTensors(fixture(name, 'golden.safetensors'))
      const inputs = {
        inputIds: await golden.rows('input_ids'),
        attentionMask: await golden.rows('attention_mask'),
      }
      const model = await AutoModelForCausalLM.fromPretrained(fixture(name), options)
      const before = await logitsOf(model, inputs)
      await model.loadAdapter(adapter)
      const adapted = await logitsOf(model, inputs)
      expect(maxDifference(adapted, before)).toBeGreaterThan(1e-3)
      for (const time of ['first', 'second']) {
        expect(await without(model, inputs), time).toEqual(before)
        expect(await logitsOf(model, inputs), time).toEqual(adapted)
      }
    },
  )
})

describe('what was changed before the adapter came', () => {
  const load = () => AutoModelForCausalLM.fromPretrained(fixture('qwen2'), { engine: 'reference' })
  const inputs = { inputIds: [[5, 9, 3, 7]] }

  it('comes back: biases and new rows that are in no file', async () => {
    const model = await load()
    await model.loadAdapter(peft('bias-all'))
    await model.mergeAdapter()
    await model.resizeTokenEmbeddings(130)
    const before = await logitsOf(model, inputs)
    await model.addAdapter({ r: 2, bias: 'all', trainableTokenIndices: [121, 5], initLoraWeights: false })
    expect(await without(model, inputs)).toEqual(before)
  })

  it('cannot come back where it is a table that is in no file', async () => {
    const model = await load()
    await model.resizeTokenEmbeddings(130)
    await model.addAdapter({ r: 2, modulesToSave: ['embed_tokens'] })
    await expect(without(model, inputs)).rejects.toThrow(
      'model.embed_tokens.weight without the adapter: a table that was changed after it was loaded',
    )
  })

  it('is what the model computes where there is no adapter', async () => {
    const model = await load()
    expect(await without(model, inputs)).toEqual(await logitsOf(model, inputs))
  })
})
