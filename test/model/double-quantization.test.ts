import { join } from 'node:path'
import { expect, it } from 'vitest'
import { roundThrough } from '../../src/engine/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { doublyQuantized } from '../../src/model/weights/quantized/double-quantization.ts'
import { matrix } from '../../src/model/weights/parameters.ts'
import type { WeightStore } from '../../src/model/weights/stores/weight-store.ts'
import { fixture, maxDifference, readTensors } from './golden.ts'

const golden = await readTensors(
  join(import.meta.dirname, '..', 'fixtures', 'quantization', 'double.safetensors'),
)

it.each(['nf4', 'fp4'] as const)('%s: the numbers are those of bitsandbytes', async (type) => {
  const weight = await golden.floats('weight')
  const parameter = matrix('linear', 448, [{ module: { safetensors: 'a', gguf: 'a' }, rows: 48 }])
  const store: WeightStore = {
    dtype: 'F32',
    repeats: true,
    dtypeOf: () => 'F32',
    part: async () => ({ data: weight.slice(), dtype: 'F32', rows: 48 }),
    values: async () => weight,
  }
  const part = await doublyQuantized(store, [parameter]).part(parameter.parts[0], 448)
  const stretched = 'data' in part && part.data instanceof Float32Array ? part.data : new Float32Array(0)
  const found = roundThrough(stretched, 448, type)
  expect(maxDifference(found, await golden.floats(type))).toBeLessThan(1e-6)
  // Without it the scales are others.
  expect(maxDifference(roundThrough(weight, 448, type), await golden.floats(type))).toBeGreaterThan(1e-3)
})

it('is an option of nf4', async () => {
  const load = (options: object) =>
    AutoModelForCausalLM.fromPretrained(fixture('llama'), { engine: 'reference', ...options })
  const inputs = { inputIds: [[5, 9, 3, 7]] }
  const once = await load({ quantization: 'nf4' })
  const twice = await load({ quantization: 'nf4', doubleQuantization: true })
  expect([once.doubleQuantization, twice.doubleQuantization]).toEqual([false, true])
  const [a, b] = [await once.forward(inputs), await twice.forward(inputs)]
  expect(maxDifference(a.logits.data, b.logits.data)).toBeGreaterThan(1e-4)
  await expect(load({ doubleQuantization: true })).rejects.toThrow(
    'doubleQuantization: true with no quantization; expected quantization nf4 or fp4',
  )
})
