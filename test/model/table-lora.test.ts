import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import {
  expectPeftFile,
  expectPeftSteps,
  expectPeftValues,
  expectSameWhenCached,
  loadAdapted,
  mergedLogits,
  readAdapterGolden,
} from './adapter-golden.ts'
import { fixture, maxDifference } from './golden.ts'

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
  it.each(cases)('%s: logits, gradients, files and merge are those of PEFT', async (name, base) => {
    const recording = await readAdapterGolden(recorded(name))
    const { golden, inputs, shown } = recording
    const model = await loadAdapted(base, recorded(name), options)
    await expectPeftValues(model, recording)
    const folder = temporary()
    await expectPeftFile(model, folder, recorded(name))
    await expectSameWhenCached(model, inputs.inputIds[0].slice(0, 5))

    const plain = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
    const untouched = await plain.forward({ inputIds: inputs.inputIds })
    const { withoutAdapter, flatten } = internalsOf(model)
    const off = await withoutAdapter((passes) => passes.logits(flatten({ inputIds: inputs.inputIds })))
    expect(maxDifference(off, untouched.logits.data)).toBeLessThan(1e-5)

    const after = await mergedLogits(model, folder, inputs, options)
    expect(maxDifference(after, shown(await golden.floats('logits')))).toBeLessThan(1e-4)
    if (golden.names.includes('merged'))
      expect(maxDifference(after, shown(await golden.floats('merged')))).toBeLessThan(1e-4)
  })

  it.each(cases)('%s: twelve steps are those of PEFT', async (name, base) => {
    const model = await loadAdapted(base, recorded(name, 'init'), options)
    const recording = await readAdapterGolden(recorded(name))
    // Up to 25, steeply: rounding moves them by more than the loss or the weights, now up and now down.
    await expectPeftSteps(model, recording, temporary(), (norm, theirs, step) =>
      expect(Math.abs(norm / theirs - 1), step).toBeLessThan(5e-4),
    )
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
