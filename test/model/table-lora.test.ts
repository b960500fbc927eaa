import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors, relativeError } from './golden.ts'
import { createTrainer } from './trainer.ts'

const recorded = (name: string, ...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', `tables-${name}`, ...path)

/** See record_tables.py. */
const cases = [
  ['both', 'llama'],
  ['head', 'llama'],
  ['tied', 'llama-tied-rope3'],
  ['scaled', 'gemma2'],
  ['multiplied', 'granite'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-tables-'))

describe.each(engines)('LoRA on embedding and head, on $engine', (options) => {
  const load = async (base: string, adapter: string) => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    await model.loadAdapter(adapter)
    return model
  }
  const inputsOf = async (name: string) => {
    const golden = await readTensors(recorded(name, 'golden.safetensors'))
    const inputs = {
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
      labels: await golden.rows('labels'),
    }
    return { golden, inputs }
  }

  it.each(cases)('%s: logits, gradients, files and merge are those of PEFT', async (name, base) => {
    const { golden, inputs } = await inputsOf(name)
    const mask = inputs.attentionMask.flat()
    const shown = (logits: Float32Array) =>
      logits.map((value, i) => (mask[Math.floor((i * mask.length) / logits.length)] === 1 ? value : 0))
    const theirs = shown(await golden.floats('logits'))
    const model = await load(base, recorded(name))
    const { logits, loss } = await model.forward(inputs)
    expect(maxDifference(logits.data, theirs)).toBeLessThan(1e-4)
    expect(loss).toBeCloseTo((await golden.floats('loss'))[0], 5)

    const gradients = await model.gradients(inputs)
    const names = golden.names.filter((tensor) => tensor.startsWith('grad.'))
    expect([...gradients.keys()].map((key) => `grad.${key}`).toSorted()).toEqual(names.toSorted())
    for (const [key, { data, shape }] of gradients) {
      expect(relativeError(data, await golden.floats(`grad.${key}`)), key).toBeLessThan(5e-5)
      expect(shape.reduce((product, size) => product * size, 1)).toBe(data.length)
    }

    const folder = temporary()
    await model.saveAdapter(folder)
    const [ours, saved] = await Promise.all(
      [folder, recorded(name)].map((path) => readTensors(join(path, 'adapter_model.safetensors'))),
    )
    expect(ours.names.toSorted()).toEqual(saved.names.toSorted())
    for (const key of saved.names) expect(await ours.floats(key), key).toEqual(await saved.floats(key))

    const prompt = inputs.inputIds[0].slice(0, 5)
    const [generated] = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 3, doSample: false })
    const whole = await model.forward({ inputIds: [[...prompt, ...generated]] })
    const width = model.vocabSize
    generated.forEach((token, i) => {
      const row = whole.logits.data.subarray((prompt.length - 1 + i) * width, (prompt.length + i) * width)
      expect(row[token]).toBeCloseTo(Math.max(...row), 4)
    })

    const plain = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    const untouched = await plain.forward({ inputIds: inputs.inputIds })
    const { withoutAdapter, flatten } = internalsOf(model)
    const off = await withoutAdapter((passes) => passes.logits(flatten({ inputIds: inputs.inputIds })))
    expect(maxDifference(off, untouched.logits.data)).toBeLessThan(1e-5)

    await model.mergeAdapter()
    await model.save(folder)
    const merged = await AutoModelForCausalLM.fromPretrained(folder, options)
    const after = (await merged.forward(inputs)).logits.data
    expect(maxDifference(after, theirs)).toBeLessThan(1e-4)
    if (golden.names.includes('merged'))
      expect(maxDifference(after, shown(await golden.floats('merged')))).toBeLessThan(1e-4)
  })

  it.each(cases)('%s: twelve steps are those of PEFT', async (name, base) => {
    const { golden, inputs } = await inputsOf(name)
    const steps = await golden.floats('steps')
    const model = await load(base, recorded(name, 'init'))
    const learned = inputs.labels.flatMap((row) => row.slice(1)).filter((label) => label !== -100).length
    const { add, step } = await createTrainer(model, { weightDecay: 0.01 })
    for (let i = 0; i < 12; i += 1) {
      const sum = await add(inputs, 1 / learned)
      const norm = await step(5e-3, 1)
      expect(Math.abs(sum / learned - steps[2 * i]), `loss of step ${i + 1}`).toBeLessThan(1e-4)
      // Up to 25, steeply: rounding moves them by more than the loss or the weights, now up and now down.
      expect(Math.abs(norm / steps[2 * i + 1] - 1), `norm of step ${i + 1}`).toBeLessThan(5e-4)
    }
    const folder = temporary()
    await model.saveAdapter(folder)
    const own = await readTensors(join(folder, 'adapter_model.safetensors'))
    for (const key of golden.names.filter((each) => each.startsWith('final.')))
      expect(maxDifference(await own.floats(key.slice(6)), await golden.floats(key)), key).toBeLessThan(2e-4)
  })

  it('a new adapter changes nothing, and weights that wait for the forward pass give the same gradients', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama-tied-rope3'), options)
    const inputs = { inputIds: [[5, 9, 3, 7, 30]], labels: [[5, 9, 3, 7, 30]] }
    const before = (await model.forward(inputs)).logits.data
    await model.addAdapter({ r: 2, targetModules: ['embed_tokens', 'lm_head', 'q_proj'], loraDropout: 0.2 })
    expect(maxDifference((await model.forward(inputs)).logits.data, before)).toBeLessThan(1e-6)
    const { flatten, passes, training } = internalsOf(model)
    const trained = await training()
    const batch = flatten(inputs)
    const weights = Float64Array.of(0.5, 1, 0.25, -1)
    const dropout = { seed: 3, pass: 4 }
    const first = await passes.train(batch, weights, { dropout })
    const norm = await trained.gradientNorm(0)
    await trained.updateBy([])()
    const later = await passes.train(batch, () => weights, { dropout })
    expect(maxDifference(first, later)).toBeLessThan(1e-6)
    expect(await trained.gradientNorm(0)).toBeCloseTo(norm, 4)
  })
})
