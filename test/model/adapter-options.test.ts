import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const peft = (...path: string[]) => join(import.meta.dirname, '..', 'fixtures', 'peft', ...path)

/** Adapters that PEFT made; see record_options.py. */
const cases = [
  ['bias-all', 'qwen2'],
  ['bias-all-gpt-oss', 'gpt-oss'],
  ['bias-all-gpt2', 'gpt2'],
  ['bias-lora-only', 'qwen2'],
  ['tied-embedding-parts', 'llama-tied-rope3'],
  ['tied-head-parts', 'llama-tied-rope3'],
  ['tied-stays-tied', 'llama-tied-rope3'],
  ['every-norm-one-layer', 'qwen3'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]

describe.each(engines)('what an adapter trains beside LoRA, on $engine', (options) => {
  it.each(cases)('%s: logits, loss, gradients and files are those of PEFT', async (name, base) => {
    const golden = await readTensors(peft(name, 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    await model.loadAdapter(peft(name))
    const { logits, loss } = await model.forward({ inputIds, labels: inputIds })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(2e-5)
    expect(loss).toBeCloseTo((await golden.floats('loss'))[0], 5)

    const gradients = await model.gradients({ inputIds, labels: inputIds })
    const names = golden.names.filter((tensor) => tensor.startsWith('grad.'))
    expect([...gradients.keys()].map((key) => `grad.${key}`).toSorted()).toEqual(names.toSorted())
    for (const [key, { data }] of gradients)
      expect(relativeError(data, await golden.floats(`grad.${key}`)), key).toBeLessThan(5e-5)

    const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
    await model.saveAdapter(folder)
    const [ours, theirs] = await Promise.all(
      [folder, peft(name)].map((path) => readTensors(join(path, 'adapter_model.safetensors'))),
    )
    expect(ours.names.toSorted()).toEqual(theirs.names.toSorted())
    for (const key of theirs.names) expect(await ours.floats(key), key).toEqual(await theirs.floats(key))

    await model.mergeAdapter()
    await model.save(folder)
    const merged = await AutoModelForCausalLM.fromPretrained(folder, options)
    const after = await merged.forward({ inputIds })
    expect(maxDifference(after.logits.data, await golden.floats('logits'))).toBeLessThan(4e-5)
  })
})

it('trains only the biases of adapted modules with lora_only, though the engine keeps three in one vector', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('qwen2'), { engine: 'reference' })
  await model.addAdapter({ r: 2, targetModules: ['q_proj'], bias: 'lora_only' })
  const inputIds = [[5, 9, 3, 7, 3, 8, 30]]
  const { training, add } = await createTrainer(model)
  await add({ inputIds, labels: inputIds }, 1 / 6)
  const norm = await training.gradientNorm(0)
  await training.updateBy([])()
  const gradients = await model.gradients({ inputIds, labels: inputIds })
  const squares = [...gradients.values()].flatMap(({ data }) => [...data].map((value) => value * value))
  expect(norm).toBeCloseTo(Math.sqrt(squares.reduce((sum, square) => sum + square, 0)), 5)
})

it('starts B at random with initLoraWeights: false', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  const inputIds = [[5, 9, 3, 7]]
  const before = await model.forward({ inputIds })
  await model.addAdapter({ r: 4, initLoraWeights: false })
  const after = await model.forward({ inputIds })
  expect(maxDifference(after.logits.data, before.logits.data)).toBeGreaterThan(1e-3)
})

it('says which layers there are where layers_to_transform names none', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  await expect(model.addAdapter({ r: 2, layersToTransform: [99] })).rejects.toThrow(
    'lora.layers_to_transform: 99; expected layers from 0 to 1.',
  )
})

it('saves what an expression matches as a list where PEFT takes no expression: with layers_to_transform', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  await model.addAdapter({ r: 2, targetModules: '.*(up|down)_proj', layersToTransform: [1] })
  const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
  await model.saveAdapter(folder)
  expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
    target_modules: ['model.layers.1.mlp.down_proj', 'model.layers.1.mlp.up_proj'],
    layers_to_transform: [1],
  })
})
