import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { readSafetensorsHeader, writeSafetensors } from '../../src/formats/index.ts'
import { AutoModelForCausalLM, internalsOf } from '../../src/model/index.ts'
import { expectPeftFile, expectSameWhenCached } from './adapter-golden.ts'
import { fixture, goldenBatch, maxDifference, readGoldenJson, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
const models = ['mixtral', 'qwen2-moe', 'qwen3-moe', 'gpt-oss', 'gemma4-moe'] as const
const peft = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'peft', name)
const both = ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj']

let scratch = ''
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fettle-expert-lora-'))
})
afterAll(() => rm(scratch, { recursive: true }))

describe.each(engines)('LoRA on the tensors of experts, %s engine', (engine) => {
  const load = (name: string, options = {}) =>
    AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine, ...options })

  test.each(models)(
    '%s: logits, loss, gradients, file and merged weights are those of PEFT',
    async (name) => {
      const golden = readGoldenJson<{ lora_experts: { loss: number } }>(name, 'golden.json').lora_experts
      const { tensors, inputs } = await goldenBatch(name)
      const model = await load(name)
      const { withoutAdapter, flatten } = internalsOf(model)
      const base = () => withoutAdapter((passes) => passes.logits(flatten(inputs)))
      const plain = await base()
      await model.loadAdapter(fixture(name, 'lora_experts'))
      const { logits, loss } = await model.forward(inputs)
      expect(maxDifference(logits.data, await tensors.floats('lora_experts.logits'))).toBeLessThan(1e-4)
      expect(Math.abs((loss ?? NaN) - golden.loss)).toBeLessThan(1e-5)
      const gradients = await model.gradients(inputs)
      const names = tensors.names.filter((key) => key.startsWith('lora_experts.grad.'))
      expect([...gradients.keys()].map((key) => `lora_experts.grad.${key}`).toSorted()).toEqual(
        names.toSorted(),
      )
      for (const [key, { data }] of gradients)
        expect(relativeError(data, await tensors.floats(`lora_experts.grad.${key}`)), key).toBeLessThan(5e-5)
      expect(await base()).toEqual(plain)
      await expectSameWhenCached(model, inputs.inputIds[0].slice(0, 5))
      await expectPeftFile(model, join(scratch, `${engine}-${name}`), fixture(name, 'lora_experts'))
      const saved = join(scratch, `${engine}-${name}-merged`)
      await model.mergeAdapter()
      await model.save(saved)
      const merged = await readTensors(join(saved, 'model.safetensors'))
      for (const key of tensors.names.filter((each) => each.startsWith('lora_experts.merged.')))
        expect(
          maxDifference(
            await merged.floats(key.slice('lora_experts.merged.'.length)),
            await tensors.floats(key),
          ),
          key,
        ).toBeLessThan(1e-6)
      const after = await (
        await AutoModelForCausalLM.fromPretrained(saved, { dtype: 'float32', engine })
      ).forward(inputs)
      expect(maxDifference(after.logits.data, logits.data)).toBeLessThan(1e-4)
    },
  )

  test('a fresh adapter begins as PEFT begins it, learns, and is loaded again', async () => {
    const { inputs } = await goldenBatch('mixtral')
    const model = await load('mixtral')
    const plain = (await model.forward(inputs)).loss ?? NaN
    await model.addAdapter({ r: 3, targetParameters: both })
    const layer = adapterTensor(model)
    expect((await layer('experts.base_layer.lora_A')).shape).toEqual([12, 40])
    expect((await layer('experts.lora_B')).shape).toEqual([40, 12])
    const [a, b] = [await layer('experts.lora_A'), await layer('experts.lora_B')]
    // Uniform in ±1/√inputs, and zero.
    const largest = Math.max(...a.data.map(Math.abs))
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(48))
    expect(largest).toBeGreaterThan(0.95 / Math.sqrt(48))
    expect(b.data.every((value) => value === 0)).toBe(true)
    const trainer = await createTrainer(model, {})
    for (let i = 0; i < 4; i += 1) {
      await trainer.add(inputs, 1 / 20)
      await trainer.step(1e-2, 1)
    }
    const learned = await model.forward(inputs)
    expect(learned.loss ?? NaN).toBeLessThan(plain - 0.1)
    const folder = join(scratch, `${engine}-fresh`)
    await model.saveAdapter(folder)
    const again = await load('mixtral')
    await again.loadAdapter(folder)
    expect(maxDifference((await again.forward(inputs)).logits.data, learned.logits.data)).toBe(0)
  })

  test('two adapters at once are their sum, where they are on the same experts', async () => {
    const { inputs } = await goldenBatch('gpt-oss')
    const [one, other] = [fixture('gpt-oss', 'lora_experts'), peft('experts-patterns')]
    const model = await load('gpt-oss')
    await model.loadAdapter(one)
    await model.mergeAdapter()
    await model.loadAdapter(other)
    const expected = (await model.forward(inputs)).logits.data
    const both_ = await load('gpt-oss')
    await both_.loadAdapter(one, { name: 'one' })
    await both_.loadAdapter(other, { name: 'other' })
    await both_.loadAdapter(peft('experts-one-layer'), { name: 'elsewhere' })
    await both_.setAdapter(['one', 'other'])
    expect(maxDifference((await both_.forward(inputs)).logits.data, expected)).toBeLessThan(1e-4)
    await expect(both_.setAdapter(['one', 'elsewhere'])).rejects.toThrow(
      /LoRA on different tensors of experts/,
    )
    await expect(
      both_.addWeightedAdapter(['one', 'other'], [1, 1], { name: 'sum', combinationType: 'cat' }),
    ).rejects.toThrow(/no target_parameters/)
  })

  test.each(['int8', 'nf4'] as const)('on experts in %s', async (quantization) => {
    const { inputs } = await goldenBatch('gpt-oss')
    const model = await load('gpt-oss', { quantization })
    await model.loadAdapter(fixture('gpt-oss', 'lora_experts'))
    const { logits } = await model.forward(inputs)
    await model.mergeAdapter()
    expect(maxDifference((await model.forward(inputs)).logits.data, logits.data)).toBeLessThan(1e-3)
  })
})

type Given = Parameters<AutoModelForCausalLM['addAdapter']>[0]
const refused: [what: string, model: string, config: Given, message: RegExp][] = [
  [
    'dropout and DoRA',
    'mixtral',
    { targetParameters: both, loraDropout: 0.1, useDora: true },
    /lora_dropout: 0.1 beside target_parameters; expected 0.*\n.*use_dora: true beside target_parameters/,
  ],
  [
    'PiSSA',
    'mixtral',
    { targetParameters: both, initLoraWeights: 'pissa' },
    /"pissa" beside target_parameters/,
  ],
  [
    'a router',
    'qwen3-moe',
    { targetParameters: ['mlp.gate.weight'] },
    /"mlp.gate.weight", which is a router.*; expected mlp.experts.gate_up_proj, mlp.experts.down_proj/,
  ],
  [
    'biases of experts',
    'gpt-oss',
    { targetParameters: ['gate_up_proj_bias'] },
    /"gate_up_proj_bias", which is/,
  ],
  [
    'a name of nothing',
    'mixtral',
    { targetParameters: ['experts.w1'] },
    /\["experts.w1"\], which matches no tensor/,
  ],
  [
    'a model without experts',
    'llama',
    { targetParameters: both },
    /names of experts, of which this model has none/,
  ],
  [
    'nothing at all',
    'mixtral',
    { targetModules: [] },
    /target_modules: \[\]; expected names of modules, or target_parameters/,
  ],
  [
    'a module twice',
    'llama',
    { targetModules: ['q_proj'], targetParameters: ['q_proj.weight'] },
    /q_proj.weight", whose module is among target_modules, too/,
  ],
  [
    'modules that only other models have',
    'mixtral',
    { targetModules: ['w1'] },
    /Experts are adapted by target_parameters/,
  ],
]

describe('refuses LoRA on experts with', () => {
  test.each(refused)('%s', async (_, name, config, message) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { engine: 'reference' })
    await expect(model.addAdapter(config)).rejects.toThrow(message)
  })

  test('an adapter of another base', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('qwen3-moe'), { engine: 'reference' })
    await expect(model.loadAdapter(fixture('mixtral', 'lora_experts'))).rejects.toThrow(
      /tensor base_model.*lora_A.weight: shape \[\d+, 40\]; expected shape \[\d+, 32\]/,
    )
  })
})

test('modules beside experts are saved so that PEFT finds them', async () => {
  const load = () => AutoModelForCausalLM.fromPretrained(fixture('qwen2-moe'), { engine: 'reference' })
  const model = await load()
  const config = { r: 2, loraAlpha: 4, rankPattern: { 'shared_expert.up_proj': 3 }, initLoraWeights: false }
  await model.addAdapter({ ...config, targetParameters: ['experts.down_proj'] })
  const folder = join(scratch, 'beside')
  await model.saveAdapter(folder)
  const saved = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as Record<
    string,
    string[]
  >
  const names = saved['target_modules'].map((name) => name.split('.').at(-1))
  expect([...new Set(names)].toSorted()).toEqual([
    'k_proj',
    'o_proj',
    'q_proj',
    'shared_expert_gate',
    'v_proj',
  ])
  expect(saved['target_parameters']).toContain('experts.down_proj')
  expect(saved['target_parameters']).toContain('model.layers.0.mlp.shared_expert.up_proj.weight')
  expect(saved['target_parameters']).toContain('model.layers.1.mlp.gate_proj.weight')
  const again = await load()
  await again.loadAdapter(folder)
  const inputIds = [[5, 9, 33]]
  const [before, after] = [await model.forward({ inputIds }), await again.forward({ inputIds })]
  expect(maxDifference(after.logits.data, before.logits.data)).toBe(0)
})

type Shapes = Map<string, number[]>
const separate: [what: string, change: (tensors: Shapes) => void, config: object, message: RegExp][] = [
  [
    'an expert that is missing',
    (tensors) => void tensors.delete('experts.2.w3.lora_B'),
    {},
    /experts.2.w3.lora_B.weight: nothing; expected shape \[48, 3\], as the other experts have/,
  ],
  [
    'an expert of another shape',
    (tensors) => void tensors.set('experts.1.w2.lora_A', [3, 47]),
    {},
    /experts.1.w2.lora_A.weight: shape \[3, 47\]; expected shape \[3, 48\], as expert 0 has/,
  ],
  [
    'more experts than the model',
    (tensors) => void tensors.set('experts.9.w1.lora_A', [3, 40]),
    {},
    /experts.\d.w1.lora_A.weight: (nothing|expert \d; expected the 4 experts that the model has)/,
  ],
  [
    'a router',
    (tensors) => void tensors.set('gate.lora_A', [3, 40]),
    {},
    /block_sparse_moe.gate.lora_A.weight: LoRA on a router; expected LoRA on attention, experts.*merge_and_unload/,
  ],
  ['DoRA', () => {}, { use_dora: true }, /use_dora: true, with experts among the modules/],
]

describe('refuses adapters of each expert by itself with', () => {
  test.each(separate)('%s', async (what, change, config, message) => {
    const tensors: Shapes = new Map()
    for (const expert of [0, 1, 2, 3])
      for (const [name, outputs, inputs] of [
        ['w1', 48, 40],
        ['w2', 40, 48],
        ['w3', 48, 40],
      ] as const) {
        tensors.set(`experts.${expert}.${name}.lora_A`, [3, inputs])
        tensors.set(`experts.${expert}.${name}.lora_B`, [outputs, 3])
      }
    change(tensors)
    const folder = join(scratch, `separate ${what}`)
    await mkdir(folder)
    const target_modules = ['w1', 'w2', 'w3']
    const written = { peft_type: 'LORA', r: 3, lora_alpha: 6, lora_dropout: 0.1, target_modules, ...config }
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(written))
    await writeSafetensors(
      join(folder, 'adapter_model.safetensors'),
      [...tensors].map(([name, shape]) => ({
        name: `base_model.model.model.layers.0.block_sparse_moe.${name}.weight`,
        shape,
        data: async () => new Float32Array(shape[0] * shape[1]),
        dtype: 'F32' as const,
      })),
    )
    const model = await AutoModelForCausalLM.fromPretrained(fixture('mixtral'), { engine: 'reference' })
    await expect(model.loadAdapter(folder)).rejects.toThrow(message)
    tensors.clear()
  })
})

/** Tensors of layer 0 of the adapter, as the file has them. */
function adapterTensor(model: AutoModelForCausalLM) {
  return async (name: string) => {
    const folder = await mkdtemp(join(scratch, 'begun-'))
    await model.saveAdapter(folder)
    const path = join(folder, 'adapter_model.safetensors')
    const full = `base_model.model.model.layers.0.mlp.${name}.weight`
    const { tensors } = await readSafetensorsHeader(path)
    return { shape: tensors.get(full)?.shape, data: await (await readTensors(path)).floats(full) }
  }
}
