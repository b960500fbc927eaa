import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { readSafetensorsHeader } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import type { LoraConfig } from '../../src/peft/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const peft = (...path: string[]) => join(import.meta.dirname, '..', 'fixtures', 'peft', ...path)

/** Adapters with single rows that PEFT made; see record_trainable_tokens.py. */
const cases = [
  ['untied-embedding', 'llama'],
  ['untied-both', 'llama'],
  ['tied', 'llama-tied-rope3'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]

const deltaOf = (module: string) => `base_model.model.${module}.token_adapter.trainable_tokens_delta`

describe.each(engines)('trainable_token_indices on $engine', (options) => {
  it.each(cases)('%s: logits, loss and gradients are those of PEFT', async (name, base) => {
    const golden = await readTensors(peft(name, 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const labels = await golden.rows('labels')
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    await model.loadAdapter(peft(name))
    const { logits, loss } = await model.forward({ inputIds, labels })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(2e-5)
    expect(loss).toBeCloseTo((await golden.floats('loss'))[0], 5)
    const gradients = await model.gradients({ inputIds, labels })
    const names = golden.names.filter((tensor) => tensor.startsWith('grad.'))
    expect([...gradients.keys()].map((key) => `grad.${key}`).toSorted()).toEqual(names.toSorted())
    for (const [key, { data }] of gradients)
      expect(relativeError(data, await golden.floats(`grad.${key}`))).toBeLessThan(1e-4)
    // A second pass must not see what the first left.
    const again = await model.gradients({ inputIds, labels })
    for (const [key, { data }] of gradients) expect(again.get(key)?.data).toEqual(data)
    await model.mergeAdapter()
    const merged = await model.forward({ inputIds })
    expect(maxDifference(merged.logits.data, await golden.floats('merged_logits'))).toBeLessThan(2e-5)
  })

  it.each(cases)('%s: is saved as PEFT saves it', async (name, base) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    await model.loadAdapter(peft(name))
    const folder = mkdtempSync(join(tmpdir(), 'fettle-rows-'))
    await model.saveAdapter(folder)
    const [ours, theirs] = await Promise.all(
      [folder, peft(name)].map((path) => readSafetensorsHeader(join(path, 'adapter_model.safetensors'))),
    )
    const shapes = (header: typeof ours) =>
      Object.fromEntries([...header.tensors].map(([tensor, { shape }]) => [tensor, shape]))
    expect(shapes(ours)).toEqual(shapes(theirs))
    const config = (path: string) =>
      JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
    expect(config(folder)['trainable_token_indices']).toEqual(config(peft(name))['trainable_token_indices'])
  })

  it('learns the rows and nothing else of the embedding, in steps that generation sees', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama-tied-rope3'), options)
    const inputIds = [[5, 9, 3, 7, 3, 8, 100]]
    await model.addAdapter({ r: 2, targetModules: ['q_proj'], trainableTokenIndices: [3, 100] })
    const before = (await model.forward({ inputIds, labels: inputIds })).loss ?? 0
    const { add, step, training } = await createTrainer(model)
    const { engine, parameters } = training.trainable
    const start = await engine.read(parameters)
    for (let i = 0; i < 10; i += 1) {
      await add({ inputIds, labels: inputIds }, 1 / 6)
      await step(1e-2)
    }
    const after = (await model.forward({ inputIds, labels: inputIds })).loss ?? 0
    expect(after).toBeLessThan(before - 0.3)
    const folder = mkdtempSync(join(tmpdir(), 'fettle-rows-'))
    await model.saveAdapter(folder)
    const fresh = await AutoModelForCausalLM.fromPretrained(fixture('llama-tied-rope3'), options)
    await fresh.loadAdapter(folder)
    expect((await fresh.forward({ inputIds, labels: inputIds })).loss).toBeCloseTo(after, 6)
    engine.write(parameters, start)
    await training.parametersChanged()
    expect((await model.forward({ inputIds, labels: inputIds })).loss).toBeCloseTo(before, 6)
  })
})

it.skipIf(nativeProblem() !== undefined)('computes the same in bfloat16, up to rounding', async () => {
  const golden = await readTensors(peft('tied', 'golden.safetensors'))
  const inputIds = await golden.rows('input_ids')
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama-tied-rope3'), {
    engine: 'native',
    dtype: 'bfloat16',
  })
  await model.loadAdapter(peft('tied'))
  const gradients = await model.gradients({ inputIds, labels: await golden.rows('labels') })
  const name = deltaOf('model.embed_tokens')
  const rows = gradients.get(name)
  expect(relativeError(rows?.data ?? new Float32Array(), await golden.floats(`grad.${name}`))).toBeLessThan(
    0.03,
  )
})

it.each<[string, string, Partial<LoraConfig>, string]>([
  ['a token that does not exist', 'llama', { trainableTokenIndices: [128] }, 'embed_tokens: 128'],
  ['a token twice', 'llama', { trainableTokenIndices: [3, 3] }, 'different token ids'],
  ['no tokens', 'llama', { trainableTokenIndices: [] }, 'trainableTokenIndices: []; expected at least one'],
  ['another module', 'llama', { trainableTokenIndices: { norm: [1] } }, "'norm'"],
  [
    'rows of what is trained whole',
    'llama',
    { trainableTokenIndices: [3], modulesToSave: ['embed_tokens'] },
    'modules_to_save trains whole',
  ],
  [
    'different rows of tied tables',
    'llama-tied-rope3',
    { trainableTokenIndices: { embed_tokens: [3], lm_head: [4] } },
    'tied',
  ],
])('refuses %s', async (_, base, config, says) => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture(base), { engine: 'reference' })
  await expect(model.addAdapter(config)).rejects.toThrow(says)
})
