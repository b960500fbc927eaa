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
  join(import.meta.dirname, '..', 'fixtures', 'peft', name, ...path)

/** See record_dora.py and record_tables.py. */
const cases = [
  ['dora-llama', 'llama'],
  ['dora-bias', 'qwen2'],
  ['dora-conv1d', 'gpt2'],
  ['dora-softcap', 'gemma2'],
  ['dora-pissa', 'qwen3'],
  ['tables-both', 'llama'],
  ['tables-head', 'llama'],
  ['tables-tied', 'llama-tied-rope3'],
  ['tables-scaled', 'gemma2'],
  ['tables-multiplied', 'granite'],
] as const

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-recorded-'))

describe.each(engines)('DoRA, and LoRA on embedding and head, on $engine', (options) => {
  it.each(cases)('%s: logits, gradients, files and merge are those of PEFT', async (name, base) => {
    const recording = await readAdapterGolden(recorded(name))
    const { golden, inputs, shown } = recording
    const model = await loadAdapted(base, recorded(name), options)
    await expectPeftValues(model, recording)
    const folder = temporary()
    await expectPeftFile(model, folder, recorded(name))
    // With the lengths of DoRA as they are.
    await expectSameWhenCached(model, inputs.inputIds[0].slice(0, 5))

    // PiSSA changes the base itself.
    if (name !== 'dora-pissa') {
      const plain = await AutoModelForCausalLM.fromPretrained(fixture(base), options)
      const untouched = await plain.forward({ inputIds: inputs.inputIds })
      const { withoutAdapter, flatten } = internalsOf(model)
      const off = await withoutAdapter((passes) => passes.logits(flatten({ inputIds: inputs.inputIds })))
      expect(maxDifference(off, untouched.logits.data)).toBeLessThan(1e-5)
    }

    const after = await mergedLogits(model, folder, inputs, options)
    expect(maxDifference(after, shown(await golden.floats('logits')))).toBeLessThan(1e-4)
    if (name.startsWith('dora') || golden.names.includes('merged'))
      expect(maxDifference(after, shown(await golden.floats('merged')))).toBeLessThan(1e-4)
  })

  it.each(cases)('%s: twelve steps are those of PEFT', async (name, base) => {
    const model = await loadAdapted(base, recorded(name, 'init'), options)
    const recording = await readAdapterGolden(recorded(name))
    await expectPeftSteps(model, recording, temporary(), (norm, theirs, step) =>
      // Those of tables are up to 25, steeply: rounding moves them by more than the loss or the weights, now up and now down.
      expect(
        name.startsWith('tables') ? Math.abs(norm / theirs - 1) / 2.5 : Math.abs(norm - theirs),
        step,
      ).toBeLessThan(2e-4),
    )
  })
})
