import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const peft = (...path: string[]) => join(import.meta.dirname, '..', 'fixtures', 'peft', ...path)

/** Adapters that PEFT made; see record_loading.py. */
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
