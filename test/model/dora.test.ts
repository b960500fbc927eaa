import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const recorded = (name: string, ...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', `dora-${name}`, ...path)

/** See record_dora.py. */
const cases = [
  ['llama', 'llama'],
  ['bias', 'qwen2'],
  ['conv1d', 'gpt2'],
  ['softcap', 'gemma2'],
  ['pissa', 'qwen3'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-dora-'))
const load = async (base: string, adapter: string, options: LoadOptions) => {
  const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
  await model.loadAdapter(adapter)
  return model
}

describe.each(engines)('DoRA on $engine', (options) => {
  it.each(cases)('%s: logits, gradients, files and merge are those of PEFT', async (name, base) => {
    const golden = await readTensors(recorded(name, 'golden.safetensors'))
    const inputs = {
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
      labels: await golden.rows('labels'),
    }
    const mask = inputs.attentionMask.flat()
    const shown = (logits: Float32Array) =>
      logits.map((value, i) => (mask[Math.floor((i * mask.length) / logits.length)] === 1 ? value : 0))
    const theirs = shown(await golden.floats('logits'))
    const model = await load(base, recorded(name), options)
    const { logits, loss } = await model.forward(inputs)
    expect(maxDifference(logits.data, theirs)).toBeLessThan(1e-4)
    expect(loss).toBeCloseTo((await golden.floats('loss'))[0], 5)

    const gradients = await model.gradients(inputs)
    const names = golden.names.filter((tensor) => tensor.startsWith('grad.'))
    expect([...gradients.keys()].map((key) => `grad.${key}`).toSorted()).toEqual(names.toSorted())
    for (const [key, { data }] of gradients)
      expect(relativeError(data, await golden.floats(`grad.${key}`)), key).toBeLessThan(5e-5)

    const folder = temporary()
    await model.saveAdapter(folder)
    const [ours, saved] = await Promise.all(
      [folder, recorded(name)].map((path) => readTensors(join(path, 'adapter_model.safetensors'))),
    )
    expect(ours.names.toSorted()).toEqual(saved.names.toSorted())
    for (const key of saved.names) expect(await ours.floats(key), key).toEqual(await saved.floats(key))

    // Token by token, with the lengths as they are.
    const prompt = inputs.inputIds[0].slice(0, 5)
    const [generated] = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 3, doSample: false })
    const whole = await model.forward({ inputIds: [[...prompt, ...generated]] })
    const width = model.vocabSize
    generated.forEach((token, i) => {
      const row = whole.logits.data.subarray((prompt.length - 1 + i) * width, (prompt.length + i) * width)
      expect(row[token]).toBeCloseTo(Math.max(...row), 4)
    })

    await model.mergeAdapter()
    await model.save(folder)
    const merged = await AutoModelForCausalLM.fromPretrained(folder, options)
    const after = (await merged.forward(inputs)).logits.data
    expect(maxDifference(after, shown(await golden.floats('merged')))).toBeLessThan(1e-4)
    expect(maxDifference(after, theirs)).toBeLessThan(1e-4)
  })

  it.each(cases)('%s: twelve steps are those of PEFT', async (name, base) => {
    const golden = await readTensors(recorded(name, 'golden.safetensors'))
    const inputs = {
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
      labels: await golden.rows('labels'),
    }
    const steps = await golden.floats('steps')
    const model = await load(base, recorded(name, 'init'), options)
    const learned = inputs.labels.flatMap((row) => row.slice(1)).filter((label) => label !== -100).length
    const { add, step } = await createTrainer(model, { weightDecay: 0.01 })
    for (let i = 0; i < 12; i += 1) {
      const sum = await add(inputs, 1 / learned)
      const norm = await step(5e-3, 1)
      expect(Math.abs(sum / learned - steps[2 * i]), `loss of step ${i + 1}`).toBeLessThan(1e-4)
      expect(Math.abs(norm - steps[2 * i + 1]), `norm of step ${i + 1}`).toBeLessThan(2e-4)
    }
    const folder = temporary()
    await model.saveAdapter(folder)
    const own = await readTensors(join(folder, 'adapter_model.safetensors'))
    for (const key of own.names)
      expect(maxDifference(await own.floats(key), await golden.floats(`final.${key}`)), key).toBeLessThan(
        2e-4,
      )
  })

  it('a new adapter begins with the lengths of the rows and changes nothing', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('qwen2'), options)
    const inputIds = [[5, 9, 3, 7, 30]]
    const before = (await model.forward({ inputIds })).logits.data
    await model.addAdapter({ r: 2, useDora: true, targetModules: ['q_proj', 'down_proj'] })
    expect(maxDifference((await model.forward({ inputIds })).logits.data, before)).toBeLessThan(1e-5)
    const folder = temporary()
    await model.saveAdapter(folder)
    const adapter = await readTensors(join(folder, 'adapter_model.safetensors'))
    const base = await readTensors(fixture('qwen2', 'model.safetensors'))
    const module = 'model.layers.1.mlp.down_proj'
    const weight = await base.floats(`${module}.weight`)
    const magnitude = await adapter.floats(`base_model.model.${module}.lora_magnitude_vector`)
    const columns = weight.length / magnitude.length
    magnitude.forEach((value, n) => {
      const row = weight.subarray(n * columns, (n + 1) * columns)
      expect(value).toBeCloseTo(Math.sqrt(row.reduce((sum, w) => sum + w * w, 0)), 5)
    })
  })

  it('dropout keeps what the base computes, on average all', async () => {
    const model = await load('llama', recorded('llama'), options)
    const dropped = await AutoModelForCausalLM.fromPretrained(fixture('llama'), options)
    await dropped.addAdapter({ r: 3, loraAlpha: 6, useDora: true, loraDropout: 0.5 })
    const golden = await readTensors(recorded('llama', 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const { flatten, passes } = internalsOf(dropped)
    await internalsOf(dropped).training()
    const batch = flatten({ inputIds, labels: inputIds })
    const weights = new Float64Array(batch.learnedTokens)
    // B is zero and c is one: then nothing is dropped that counts.
    const still = await passes.train(batch, weights, { dropout: { seed: 1, pass: 1 } })
    expect(maxDifference(still, await passes.logProbs(batch))).toBeLessThan(1e-4)
    await model.free()
  })

  it('gradient checkpointing changes nothing', async () => {
    const model = await load('llama', recorded('llama'), options)
    const golden = await readTensors(recorded('llama', 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const { add, step } = await createTrainer(model)
    await add({ inputIds, labels: inputIds }, 1)
    const norm = await step(0, 0)
    await add({ inputIds, labels: inputIds }, 1, { recompute: true })
    expect(await step(0, 0)).toBe(norm)
  })
})
