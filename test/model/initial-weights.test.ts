import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import type { LoraConfig } from '../../src/peft/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const recorded = (name: string, ...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', `init-${name}`, ...path)

/** What PEFT begins and trains; see test/peft/record_inits.py. */
const cases: [name: string, base: string, options: Partial<LoraConfig>][] = [
  ['pissa', 'llama', { initLoraWeights: 'pissa', targetModules: ['q_proj', 'down_proj', 'k_proj'] }],
  ['pissa-niter', 'llama', { initLoraWeights: 'pissa_niter_999', targetModules: ['q_proj', 'down_proj'] }],
  [
    'pissa-rslora',
    'qwen3',
    { initLoraWeights: 'pissa', useRslora: true, targetModules: ['v_proj', 'up_proj'] },
  ],
  ['pissa-gpt2', 'gpt2', { initLoraWeights: 'pissa', targetModules: ['c_attn', 'mlp.c_proj'] }],
  ['olora', 'llama', { initLoraWeights: 'olora', targetModules: ['q_proj', 'gate_proj', 'down_proj'] }],
  ['loftq', 'llama', { initLoraWeights: 'loftq', targetModules: ['q_proj', 'v_proj'] }],
  [
    'loftq-iter',
    'llama',
    {
      initLoraWeights: 'loftq',
      loftqConfig: { loftqBits: 4, loftqIter: 3 },
      targetModules: ['o_proj', 'up_proj'],
    },
  ],
  [
    'loftq-8',
    'llama',
    {
      initLoraWeights: 'loftq',
      loftqConfig: { loftqBits: 8, loftqIter: 2 },
      targetModules: ['q_proj', 'down_proj'],
    },
  ],
]

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-init-'))

describe.each(engines)('adapters that change the base when they begin, on $engine', (options) => {
  const begin = async (base: string, lora: Partial<LoraConfig>) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    await model.addAdapter({ r: 3, loraAlpha: 6, ...lora })
    return model
  }

  it.each(cases)('%s: base, A and B are those of PEFT, and so are six steps', async (name, base, lora) => {
    const golden = await readTensors(recorded(name, 'golden.safetensors'))
    const model = await begin(base, lora)
    const folder = temporary()
    await model.saveAdapter(folder, { form: 'changed-base' })
    await model.save(folder)
    const saved = await readTensors(join(folder, 'model.safetensors'))
    const adapter = await readTensors(join(folder, 'adapter_model.safetensors'))
    for (const key of golden.names.filter((each) => each.startsWith('A.'))) {
      const module = key.slice(2)
      const weight = `${module}.weight`
      expect(
        relativeError(await saved.floats(weight), await golden.floats(`base.${weight}`)),
        key,
      ).toBeLessThan(2e-5)
      // A singular vector has no sign of its own.
      for (const [matrix, tensor] of [
        ['A', `base_model.model.${module}.lora_A.weight`],
        ['B', `base_model.model.${module}.lora_B.weight`],
      ]) {
        const [own, theirs] = [await adapter.floats(tensor), await golden.floats(`${matrix}.${module}`)]
        const isSigned = name === 'olora'
        const same = (values: Float32Array) => (isSigned ? values : values.map(Math.abs))
        expect(maxDifference(same(own), same(theirs)), `${key} ${matrix}`).toBeLessThan(2e-4)
      }
    }

    const inputIds = await golden.rows('input_ids')
    const first = await golden.floats('first_logits')
    expect(maxDifference((await model.forward({ inputIds })).logits.data, first)).toBeLessThan(5e-5)
    const losses = await golden.floats('losses')
    const { add, step } = await createTrainer(model)
    for (const loss of losses) {
      const sum = await add({ inputIds, labels: inputIds }, 1 / 32)
      await step(1e-3, 0)
      expect(Math.abs(sum / 32 - loss)).toBeLessThan(1e-4)
    }
    const last = await golden.floats('last_logits')
    const after = (await model.forward({ inputIds })).logits.data
    expect(maxDifference(after, last)).toBeLessThan(2e-4)

    // What is saved is what is loaded, in each form.
    const load = async (adapterFolder: string, baseFolder = fixture(base)) => {
      const again = await AutoModelForCausalLM.fromPretrained(baseFolder, options)
      await again.loadAdapter(adapterFolder)
      return (await again.forward({ inputIds })).logits.data
    }
    const beside = temporary()
    await model.saveAdapter(beside, { form: 'changed-base' })
    expect(maxDifference(await load(beside, folder), after)).toBeLessThan(2e-5)
    await model.saveAdapter(beside)
    expect(maxDifference(await load(beside), after)).toBeLessThan(5e-5)
    if (existsSync(recorded(name, 'converted'))) {
      await model.saveAdapter(beside, { form: 'converted' })
      expect(maxDifference(await load(beside), after)).toBeLessThan(5e-5)
      expect(maxDifference(await load(recorded(name, 'converted')), last)).toBeLessThan(5e-5)
      const config = (path: string) =>
        JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
      const theirs = config(recorded(name, 'converted'))
      const { r, lora_alpha, init_lora_weights } = config(beside)
      expect({ r, init_lora_weights }).toEqual({ r: theirs['r'], init_lora_weights: true })
      expect(lora_alpha).toBeCloseTo(Number(theirs['lora_alpha']), 6)
    }

    // Without the adapter it is the model that it was.
    const plain = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    const untouched = (await plain.forward({ inputIds })).logits.data
    const { withoutAdapter, flatten } = internalsOf(model)
    const off = await withoutAdapter((passes) => passes.logits(flatten({ inputIds })))
    expect(maxDifference(off, untouched)).toBeLessThan(2e-5)
    await model.mergeAdapter()
    expect(maxDifference((await model.forward({ inputIds })).logits.data, after)).toBeLessThan(5e-5)
  })

  it('gaussian: A is normal with deviation 1 / r, and B zero', async () => {
    const model = await begin('llama', { r: 8, initLoraWeights: 'gaussian' })
    const folder = temporary()
    await model.saveAdapter(folder)
    const { names, floats } = await readTensors(join(folder, 'adapter_model.safetensors'))
    const values = (matrix: string) =>
      Promise.all(names.filter((name) => name.includes(matrix)).map(floats)).then((all) =>
        all.flatMap((each) => [...each]),
      )
    const a = await values('lora_A')
    const mean = a.reduce((sum, value) => sum + value, 0) / a.length
    const deviation = Math.sqrt(a.reduce((sum, value) => sum + (value - mean) ** 2, 0) / a.length)
    expect(Math.abs(mean)).toBeLessThan(0.01)
    expect(deviation).toBeCloseTo(1 / 8, 2)
    expect(new Set(await values('lora_B'))).toEqual(new Set([0]))
    expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
      init_lora_weights: 'gaussian',
    })
  })
})

it('what began at random is not saved as if it could be begun again', async () => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference' })
  await model.addAdapter({ r: 2, targetModules: ['q_proj'], initLoraWeights: 'pissa_niter_4' })
  await expect(model.saveAdapter(temporary(), { form: 'as-begun' })).rejects.toThrow(
    'saveAdapter: form: as-begun of pissa_niter_4; expected converted or changed-base',
  )
})

it('quantised weights are no beginning', async () => {
  const options = { engine: 'reference', quantization: 'int8' } as const
  const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), options)
  await expect(model.addAdapter({ r: 2, initLoraWeights: 'pissa' })).rejects.toThrow(
    'init_lora_weights: "pissa", and weights in 8 or 4 bits',
  )
})
