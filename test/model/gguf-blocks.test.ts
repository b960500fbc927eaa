import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeIsas } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM, internalsOf, type LoadOptions } from '../../src/model/index.ts'
import { maxDifference, readTensors, relativeError } from './golden.ts'

const path = (name: string) => join(import.meta.dirname, '..', 'fixtures', 'gguf-models', name)

const engines: LoadOptions[] = [
  { engine: 'reference', dtype: 'float32' },
  ...(nativeIsas().length > 0
    ? ([
        { engine: 'native', dtype: 'float32', threads: 2 },
        { engine: 'native', dtype: 'bfloat16', threads: 2 },
      ] as const)
    : []),
]

describe.each(engines)('blocks in place, $engine in $dtype', (options) => {
  // Of bfloat16 the usual error of these two small layers.
  const bound = options.dtype === 'bfloat16' ? 0.02 : 1e-5

  it('computes, generates and trains LoRA as transformers and PEFT with the same numbers', async () => {
    const golden = await readTensors(path('blocks.safetensors'))
    const inputIds = await golden.rows('input_ids')
    await using model = await AutoModelForCausalLM.fromPretrained(path('blocks.gguf'), options)
    const { forms } = internalsOf(model).state
    expect([forms.size, new Set(forms.values())]).toEqual([5, new Set(['blocks'])])
    const { logits } = await model.forward({ inputIds })
    expect(relativeError(logits.data, await golden.floats('logits'))).toBeLessThan(bound)
    const prompt = inputIds[0].slice(0, 5)
    const [tokens] = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 12, stopTokenIds: [] })
    if (options.dtype === 'float32') expect(tokens).toEqual((await golden.rows('greedy'))[0])
    await model.loadAdapter(path('blocks-adapter'))
    const adapted = await model.forward({ inputIds, labels: inputIds })
    expect(relativeError(adapted.logits.data, await golden.floats('lora.logits'))).toBeLessThan(bound)
    expect(adapted.loss).toBeCloseTo((await golden.floats('lora.loss'))[0], bound < 0.01 ? 5 : 2)
    for (const [name, { data }] of await model.gradients({ inputIds, labels: inputIds }))
      expect(relativeError(data as Float32Array, await golden.floats(`grad.${name}`)), name).toBeLessThan(
        2 * bound,
      )
    await model.mergeAdapter()
    const merged = await model.forward({ inputIds })
    expect(maxDifference(merged.logits.data, adapted.logits.data)).toBeLessThan(bound < 0.01 ? 1e-4 : 0.1)
  })

  it('is made smaller still where that is asked for', async () => {
    await using model = await AutoModelForCausalLM.fromPretrained(path('blocks.gguf'), {
      ...options,
      quantization: 'nf4',
    })
    expect(model.quantization).toBe('nf4')
    const golden = await readTensors(path('blocks.safetensors'))
    const { logits } = await model.forward({ inputIds: await golden.rows('input_ids') })
    expect(relativeError(logits.data, await golden.floats('logits'))).toBeLessThan(0.4)
  })
})
