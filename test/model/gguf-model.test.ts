import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const gguf = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'gguf-models', name)
const load = (path: string) => AutoModelForCausalLM.fromPretrained(path, { engine: 'reference' })

it.each(['llama-tied-rope3', 'qwen2', 'qwen3', 'smollm3'])(
  '%s.gguf: the logits are those of the model it was made from',
  async (name) => {
    const golden = await readTensors(fixture(name, 'golden.safetensors'))
    const model = await load(gguf(`${name}.gguf`))
    const { logits } = await model.forward({
      inputIds: await golden.rows('input_ids'),
      attentionMask: await golden.rows('attention_mask'),
    })
    expect(maxDifference(logits.data, await golden.floats('logits'))).toBeLessThan(1e-4)
  },
)

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
