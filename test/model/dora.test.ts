import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { loadAdapted } from './adapter-golden.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'
import { createTrainer } from './trainer.ts'

const recorded = (name: string, ...path: string[]) =>
  join(import.meta.dirname, '..', 'fixtures', 'peft', `dora-${name}`, ...path)

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]
const temporary = () => mkdtempSync(join(tmpdir(), 'fettle-dora-'))

describe.each(engines)('DoRA on $engine', (options) => {
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
    const model = await loadAdapted('llama', recorded('llama'), options)
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
    const model = await loadAdapted('llama', recorded('llama'), options)
    const golden = await readTensors(recorded('llama', 'golden.safetensors'))
    const inputIds = await golden.rows('input_ids')
    const { add, step } = await createTrainer(model)
    await add({ inputIds, labels: inputIds }, 1)
    const norm = await step(0, 0)
    await add({ inputIds, labels: inputIds }, 1, { recompute: true })
    expect(await step(0, 0)).toBe(norm)
  })
})
