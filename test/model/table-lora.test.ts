import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { fixture, maxDifference } from './golden.ts'

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeProblem() === undefined ? [{ engine: 'native', dtype: 'float32', threads: 2 } as const] : []),
]

describe.each(engines)('LoRA on embedding and head, on $engine', (options) => {
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
