import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const peft = (...path: string[]) => join(import.meta.dirname, '..', 'fixtures', 'peft', ...path)

/** Adapters that PEFT made; see record_loading.py, record_experts.py and record_separate.py. */
const cases = [
  ['pissa', 'llama'],
  ['pissa-patterns', 'qwen3'],
  ['olora', 'llama'],
  ['gaussian', 'llama'],
  ['orthogonal', 'llama'],
  ['name-without-module', 'llama'],
  ['resized', 'llama'],
  ['resized-tied', 'llama-tied-rope3'],
  ['resized-whole', 'llama'],
  ['resized-rows', 'llama'],
  ['lora-head', 'llama'],
  ['lora-embedding', 'llama'],
  ['lora-both', 'llama'],
  ['lora-head-tied', 'llama-tied-rope3'],
  ['lora-embedding-tied', 'llama-tied-rope3'],
  ['lora-both-resized', 'llama'],
  ['experts-down', 'mixtral'],
  ['experts-one-layer', 'gpt-oss'],
  ['experts-patterns', 'gpt-oss'],
  ['experts-shared', 'qwen2-moe'],
  ['separate-mixtral', 'mixtral'],
  ['separate-qwen3-moe', 'qwen3-moe'],
  ['separate-down', 'mixtral'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]

describe.each(engines)('what loading an adapter asks for besides, on $engine', (options) => {
  it.each(cases)('%s: logits are those of PEFT, loaded, saved again and merged', async (name, base) => {
    const golden = await readTensors(peft(name, 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const logits = await golden.floats('logits')
    const load = async (folder: string) => {
      const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
      await model.loadAdapter(folder)
      return model
    }
    const model = await load(peft(name))
    // PEFT decomposes in float32: where two singular values differ by 0.4 %, as in one of these matrices, that decides the fifth digit.
    const tolerance = name === 'pissa' ? 3e-4 : 5e-5
    expect(maxDifference((await model.forward({ inputIds })).logits.data, logits)).toBeLessThan(tolerance)

    const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
    await model.saveAdapter(folder)
    const again = await load(folder)
    expect(maxDifference((await again.forward({ inputIds })).logits.data, logits)).toBeLessThan(tolerance)

    await model.mergeAdapter()
    const output = mkdtempSync(join(tmpdir(), 'fettle-merged-'))
    await model.save(output)
    const merged = await AutoModelForCausalLM.fromPretrained(output, options)
    expect(maxDifference((await merged.forward({ inputIds })).logits.data, logits)).toBeLessThan(
      2 * tolerance,
    )
  })
})

/** The adapter of a case with other fields in its configuration. */
function changed(name: string, fields: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
  cpSync(peft(name), folder, { recursive: true })
  const path = join(folder, 'adapter_config.json')
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...fields }))
  return folder
}

const loading = async (folder: string, options: LoadOptions = {}) => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), {
    engine: 'reference',
    ...options,
  })
  await model.loadAdapter(folder)
  return model
}

const wrong: [string, string, object, string][] = [
  [
    'a pattern that never ends',
    'gaussian',
    { target_modules: '([a-z0-9_.]+)+!' },
    'adapter_config.json: target_modules: the pattern ([a-z0-9_.]+)+! takes too long',
  ],
  [
    'a pattern that is none',
    'gaussian',
    { target_modules: '(q_proj' },
    'adapter_config.json: target_modules: ',
  ],
  [
    'a rank pattern that is none',
    'gaussian',
    { rank_pattern: { '[': 4 } },
    'adapter_config.json: rank_pattern: ',
  ],
  [
    'another rank than the tensors',
    'gaussian',
    { r: 3 },
    'lora_A.weight: shape [2, 48]; expected shape [3, 48]',
  ],
  [
    'fewer modules than tensors',
    'gaussian',
    { target_modules: ['q_proj'] },
    'tensors that this model has no place for: ',
  ],
  [
    'no module at all',
    'gaussian',
    { target_modules: ['c_attn'] },
    '["c_attn"], which matches no linear layer',
  ],
  ['OLoRA on the head', 'lora-head', { init_lora_weights: 'olora' }, '"olora" for lm_head'],
]
it.each(wrong)('%s is an error about it', async (_, name, fields, message) => {
  await expect(loading(changed(name, fields))).rejects.toThrow(message)
})

it('patterns are those of Python, and match whole paths', async () => {
  const pattern = String.raw`(?P<path>model\.layers\.\d+)\.self_attn\.(?:q|v)_proj`
  const model = await loading(changed('gaussian', { target_modules: pattern }))
  expect(model.trainableCount).toBe((await loading(peft('gaussian'))).trainableCount)
})

it('layers_pattern says which numbers layers_to_transform counts', async () => {
  const model = await loading(changed('gaussian', { layers_to_transform: [0, 1], layers_pattern: 'layers' }))
  const folder = mkdtempSync(join(tmpdir(), 'fettle-adapter-'))
  await model.saveAdapter(folder)
  expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
    layers_to_transform: [0, 1],
    layers_pattern: ['layers'],
  })
  await expect(
    loading(changed('gaussian', { layers_to_transform: [0], layers_pattern: 'h' })),
  ).rejects.toThrow('which matches no linear layer')
})

it('what began with a part of the base needs the base as it is', async () => {
  await expect(loading(peft('pissa'), { quantization: 'int8' })).rejects.toThrow(
    'init_lora_weights: "pissa", and weights in 8 or 4 bits; expected weights as the files have them',
  )
})

it('says once what of the configuration is not read', async () => {
  const model = await loading(changed('gaussian', { use_newthing: true }))
  expect(model.notices.map(({ found }) => found)).toEqual(['keys that fettle does not read: use_newthing'])
})

it('an adapter that is no number is not merged', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  await model.addAdapter({ r: 2, targetModules: ['v_proj'] })
  const { trainable } = await internalsOf(model).training()
  trainable.engine.write(trainable.parameters, Float32Array.of(Number.NaN))
  await expect(model.mergeAdapter()).rejects.toThrow(
    'model.layers.0.self_attn.v_proj.lora_A.weight: NaN; expected finite numbers',
  )
})
