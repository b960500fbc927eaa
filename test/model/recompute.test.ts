import { describe, expect, it } from 'vitest'
import { nativeIsas } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, describeModel, internalsOf } from '../../src/model/index.ts'
import { activationBytesPerToken, recomputationWithin } from '../../src/model/passes/recompute.ts'
import { fixture } from './golden.ts'
import { createTrainer } from './trainer.ts'

const { architecture } = await describeModel(
  {
    model_type: 'llama',
    vocab_size: 32,
    hidden_size: 64,
    intermediate_size: 160,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  },
  'config',
)
// bfloat16: two norms, q of 4 heads, k and v of 2, o, gate and up, 4 logarithms.
const gated = 2 * 2 * 160
const layer = 2 * (2 * 64 + 128 + 64) + gated + 4 * 4
const input = 4 * 64

describe('what is computed again', () => {
  it.each([
    { keeps: 'everything', budget: 4 * layer, wholeLayers: 0, gatedLayers: 0 },
    { keeps: 'gate and up of three layers', budget: 4 * layer - 1, wholeLayers: 0, gatedLayers: 1 },
    { keeps: 'no gate and up', budget: 4 * (layer - gated), wholeLayers: 0, gatedLayers: 4 },
    { keeps: 'one layer’s input only', budget: 4 * (layer - gated) - 1, wholeLayers: 1, gatedLayers: 3 },
    { keeps: 'inputs only', budget: 4 * input, wholeLayers: 4, gatedLayers: 0 },
    { keeps: 'inputs only, though there is no room for them', budget: 1, wholeLayers: 4, gatedLayers: 0 },
  ])('keeps $keeps', ({ budget, wholeLayers, gatedLayers }) => {
    expect(activationBytesPerToken(architecture, 2)).toBe(4 * layer)
    expect(recomputationWithin(architecture, 2, 1000, 1000 * budget)).toEqual({
      wholeLayers,
      gatedLayers,
    })
  })
})

describe.each(nativeIsas().length > 0 ? (['reference', 'native'] as const) : (['reference'] as const))(
  '%s',
  (engine) => {
    it('gives the same bits as what is kept', async () => {
      const trained = async (options: object) => {
        const model = await AutoModelForCausalLM.fromPretrained(fixture('qwen3'), { engine, threads: 2 })
        await model.addAdapter({ r: 4, loraDropout: 0.1 }, 1)
        const inputIds = [Array.from({ length: 12 }, (_, i) => (7 * i) % 100)]
        const { add, step, training } = await createTrainer(model, { beta2: 0.99 })
        // The second step is the first in which LoRA's A has a gradient.
        for (const pass of [0, 1]) {
          await add({ inputIds, labels: inputIds }, 1 / 11, { dropout: { seed: 1, pass }, ...options })
          await step(1e-2)
        }
        const { engine: computes, parameters } = training.trainable
        return {
          perToken: internalsOf(model).activationBytesPerToken(),
          values: await computes.read(parameters),
        }
      }
      const { values, perToken } = await trained({})
      for (const share of [0.9, 0.7, 0.4, 0])
        expect((await trained({ activationBytes: 12 * share * perToken })).values).toEqual(values)
      expect((await trained({ recompute: true })).values).toEqual(values)
    })
  },
)
