import { copyFileSync, mkdtempSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { hashBase } from '../../src/train/runs/base-hash.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const gguf = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'gguf-models', name)
const load = (path: string) => AutoModelForCausalLM.fromPretrained(path, { engine: 'reference' })

it.each([
  'llama-tied-rope3',
  'qwen2',
  'qwen3',
  'smollm3',
  'gemma3',
  'granite',
  'olmo2',
  'olmo3',
  'phi3',
  'phi3-long',
  'phi4-mini',
  'gpt2',
  'ministral3',
  'lfm2',
  'mixtral',
  'qwen3-moe',
  'gpt-oss',
  'qwen3-5',
  'gemma4',
  'gemma4-moe',
])('%s.gguf: the logits are those of the model it was made from', async (name) => {
  const golden = await readTensors(fixture(name, 'golden.safetensors'))
  const model = await load(gguf(`${name}.gguf`))
  const { logits } = await model.forward({
    inputIds: await golden.rows('input_ids'),
    attentionMask: await golden.rows('attention_mask'),
  })
  expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
})

it.each(['gemma2', 'starcoder2', 'qwen2-moe'])(
  '%s.gguf: the logits are those of the model without what such a file cannot say',
  async (name) => {
    const golden = await readTensors(gguf(`${name}.safetensors`))
    await using model = await load(gguf(`${name}.gguf`))
    const { logits } = await model.forward({ inputIds: await golden.rows('input_ids') })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
  },
)

it.each([
  'gemma2',
  'gemma3',
  'granite',
  'olmo3',
  'phi3-long',
  'phi4-mini',
  'starcoder2',
  'gpt2',
  'ministral3',
  'lfm2',
  'mixtral',
  'qwen2-moe',
  'gpt-oss',
  'qwen3-5',
  'gemma4',
  'gemma4-moe',
])('%s.gguf, saved as a folder, computes the same', async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-gguf-'))
  await using model = await load(gguf(`${name}.gguf`))
  await model.save(folder)
  await using again = await load(folder)
  expect([model.notices, again.notices]).toEqual([[], []])
  const inputs = { inputIds: [Array.from({ length: 17 }, (_, i) => 3 + ((i * 7) % 100))] }
  const [read, saved] = [await model.forward(inputs), await again.forward(inputs)]
  expect(maxDifference(read.logits.data, saved.logits.data)).toBe(0)
})

it('experts that files of 2023 have one by one, and blocks of MXFP4, are read as any other', async () => {
  const cases: [file: string, model: string][] = [
    ['mixtral-single.gguf', 'mixtral'],
    ['gpt-oss-mxfp4.gguf', 'gpt-oss-mxfp4'],
  ]
  for (const [file, name] of cases) {
    const golden = await readTensors(fixture(name, 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    await using model = await load(gguf(file))
    await using whole = await load(fixture(name))
    const [read, expected] = [await model.forward({ inputIds }), await whole.forward({ inputIds })]
    expect(maxDifference(read.logits.data, expected.logits.data), file).toBeLessThan(1e-5)
  }
})

it('llama-31.gguf: its divisors are saved as the llama3 scaling that they stand for', async () => {
  const golden = await readTensors(gguf('llama-31.safetensors'))
  const inputs = { inputIds: await golden.rows('input_ids'), positionIds: await golden.rows('position_ids') }
  const folder = mkdtempSync(join(tmpdir(), 'fettle-gguf-'))
  const model = await load(gguf('llama-31.gguf'))
  await model.save(folder)
  for (const either of [model, await load(folder)]) {
    const { logits } = await either.forward(inputs)
    // At position 3000 the float32 rounding of transformers' frequencies shows; without the scaling it is 0.4.
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-3)
  }
})

it('does not save divisors that no config.json can say', async () => {
  const model = await load(gguf('llama-tied-rope3.gguf'))
  await expect(model.save(mkdtempSync(join(tmpdir(), 'fettle-gguf-')))).rejects.toThrow('rope_freqs.weight')
})

describe('a model in several GGUF files', () => {
  const part = (number: number) => `qwen3-0000${number}-of-00003.gguf`
  const copy = (...parts: number[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-gguf-'))
    for (const number of parts) copyFileSync(gguf(join('split', part(number))), join(folder, part(number)))
    return folder
  }

  it('is read from the first', async () => {
    const golden = await readTensors(fixture('qwen3', 'golden.safetensors'))
    const model = await load(gguf(join('split', part(1))))
    const { logits } = await model.forward({
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
    })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
    expect(model.notices).toEqual([])
  })

  it('may be called .GGUF', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fettle-gguf-'))
    const inCapitals = (number: number) => join(folder, part(number).replace('.gguf', '.GGUF'))
    for (const number of [1, 2, 3]) copyFileSync(gguf(join('split', part(number))), inCapitals(number))
    const [given, capitals] = [gguf(join('split', part(1))), inCapitals(1)]
    expect((await load(capitals)).parameterCount).toBe((await load(given)).parameterCount)
    expect(await hashBase(capitals)).toBe(await hashBase(given))
    // These files have none, and are asked for it as GGUF files are.
    await expect(AutoTokenizer.fromPretrained(capitals)).rejects.toThrow('tokenizer.ggml.tokens')
  })

  it.each<[string, () => string, string]>([
    [
      'another part',
      () => join(copy(1, 2, 3), part(2)),
      `part 2 of 3 of a model; expected the first one. Give `,
    ],
    ['a missing part', () => join(copy(1, 3), part(1)), `no ${part(2)} beside it; expected all 3 parts`],
    [
      'a part under the name of another',
      () => {
        const folder = copy(1, 3)
        copyFileSync(join(folder, part(3)), join(folder, part(2)))
        return join(folder, part(1))
      },
      `${part(2)} of another model`,
    ],
    [
      'another name',
      () => {
        const folder = copy(1)
        renameSync(join(folder, part(1)), join(folder, 'model.gguf'))
        return join(folder, 'model.gguf')
      },
      'part 1 of 3 of a model; expected the name NAME-00001-of-00003.gguf',
    ],
  ])('%s', async (_, path, says) => {
    await expect(load(path())).rejects.toThrow(says)
  })
})
