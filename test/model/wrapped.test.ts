import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeProblem } from '../../src/error.ts'
import { readSafetensorsHeader, readTensorBytes, writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { maxDifference, readTensors, relativeError } from './golden.ts'

// Text models inside of models that see; recorded by record.py in this folder.
const fixture = (name: string, ...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'wrapped', name, ...path)
const load = (path: string) => AutoModelForCausalLM.fromPretrained(path, { engine: 'reference' })

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-wrapped-'))
})
afterAll(() => rm(scratch, { recursive: true }))

/** The same model with its tensors under the names that `rename` gives them. */
async function renamed(name: string, rename: (tensor: string) => string): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'renamed-'))
  const { tensors } = await readSafetensorsHeader(fixture(name, 'model.safetensors'))
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    [...tensors.values()].map((tensor) => ({
      name: rename(tensor.name),
      dtype: 'F32' as const,
      shape: tensor.shape,
      data: () => readTensorBytes(tensor),
    })),
  )
  await copyFile(fixture(name, 'config.json'), join(folder, 'config.json'))
  return folder
}

describe.each([
  ['gemma3', 'gemma3_text', ['vision_tower', 'multi_modal_projector']],
  ['gemma4', 'gemma4_text', ['vision_tower', 'audio_tower', 'embed_vision']],
  ['llava', 'llama', ['vision_tower', 'multi_modal_projector']],
  ['mistral3', 'mistral', ['vision_tower', 'multi_modal_projector']],
  ['qwen3_5', 'qwen3_5_text', ['visual']],
  ['smolvlm', 'llama', ['vision_model', 'connector']],
] as const)('%s', async (name, textType, left) => {
  const golden = await readTensors(fixture(name, 'golden.safetensors'))
  const inputIds = await golden.rows('input_ids')

  it('computes as transformers, and names what it leaves out once', async () => {
    await using model = await load(fixture(name))
    const { logits } = await model.forward({ inputIds })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
    expect(model.modelType).toBe(textType)
    expect(model.notices).toHaveLength(1)
    for (const part of left) expect(describeProblem(model.notices[0])).toContain(part)
  })

  it('takes an adapter that PEFT made on the whole model, with its gradients, and saves it so', async () => {
    await using model = await load(fixture(name))
    await model.loadAdapter(fixture(name, 'adapter'))
    const { logits } = await model.forward({ inputIds })
    expect(maxDifference(logits.data, await golden.floats('adapted.logits'))).toBeLessThan(1e-4)
    const gradients = await model.gradients({ inputIds, labels: inputIds })
    const expected = golden.names.filter((key) => key.startsWith('grad.'))
    expect([...gradients.keys()].toSorted()).toEqual(expected.map((key) => key.slice(5)).toSorted())
    for (const key of expected)
      expect(
        relativeError(gradients.get(key.slice(5))?.data ?? new Float32Array(), await golden.floats(key)),
        key,
      ).toBeLessThan(5e-5)
    await model.saveAdapter(join(scratch, `${name}-adapter`))
    const saved = await readTensors(join(scratch, `${name}-adapter`, 'adapter_model.safetensors'))
    const made = await readTensors(fixture(name, 'adapter', 'adapter_model.safetensors'))
    expect(saved.names.toSorted()).toEqual(made.names.toSorted())
  })

  it('is saved, merged, as the text model alone', async () => {
    const folder = join(scratch, `${name}-merged`)
    {
      await using model = await load(fixture(name))
      await model.loadAdapter(fixture(name, 'adapter'))
      await model.mergeAdapter()
      await model.save(folder)
    }
    await using merged = await load(folder)
    const { logits } = await merged.forward({ inputIds })
    expect(maxDifference(logits.data, await golden.floats('adapted.logits'))).toBeLessThan(1e-4)
    expect(merged.notices).toEqual([])
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>
    expect(config).toMatchObject({ model_type: textType })
  })
})

it.each<[string, (name: string) => string]>([
  [
    'model.language_model, as transformers calls them',
    (name) => name.replace(/^language_model\.model/, 'model.language_model'),
  ],
  ['language_model without a head', (name) => name.replace(/^language_model\.model/, 'language_model')],
])('reads %s', async (_, rename) => {
  const golden = await readTensors(fixture('gemma3', 'golden.safetensors'))
  await using model = await load(await renamed('gemma3', rename))
  const { logits } = await model.forward({ inputIds: await golden.rows('input_ids') })
  expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
})

it('names the text model that it does not know', async () => {
  const raw = { model_type: 'llava', text_config: { model_type: 'phi4_text' } }
  await expect(AutoModelForCausalLM.fromConfig(raw)).rejects.toThrow(
    'config: text_config: model_type "phi4_text"; expected',
  )
})
