import { afterEach, describe, expect, it } from 'vitest'
import { createNativeEngine, nativeIsas } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { linear } from '../engine/op-cases.ts'
import type { AnyCase } from '../engine/run-case.ts'
import { prepareForward } from '../engine/run-case.ts'

// How threads share work where some are late: native/slowness.h makes them so.
type Slowness = 'third' | 'random'

function slow(slowness: Slowness | undefined): void {
  if (slowness) process.env['FETTLE_TEST_SLOWNESS'] = slowness
  else delete process.env['FETTLE_TEST_SLOWNESS']
}
afterEach(() => slow(undefined))

/** Two rows of the tiny model, of documents that are long enough for several pieces of everything; some tokens are not learned. */
const rows = [7, 11].map((factor) =>
  Array.from({ length: 300 }, (_, i) => 3 + ((i * i * factor + 13 * i) % 1800)),
)
const labels = rows.map((row) => row.map((id, i) => (i % 5 === 0 ? -100 : id)))
const documentIds = [77, 300].map((end) => Array.from({ length: 300 }, (_, i) => (i < end ? 0 : 1)))

/** The gradients of a step, with LoRA or of all weights, as bytes by name. */
async function gradients(threads: number, dtype: 'float32' | 'bfloat16', lora: boolean, slowness?: Slowness) {
  slow(slowness)
  const options = { engine: 'native', threads, dtype } as const
  await using model = await AutoModelForCausalLM.fromPretrained('assets/tiny-llama', options)
  slow(undefined)
  if (lora) await model.addAdapter({ r: 8, initLoraWeights: false })
  const found = await model.gradients({ inputIds: rows, labels, documentIds })
  return new Map([...found].map(([name, { data }]) => [name, Buffer.from(data.slice().buffer)]))
}

describe.skipIf(nativeIsas().length === 0)('a step whose threads are late', () => {
  it.each<[number, 'float32' | 'bfloat16', boolean]>([
    [2, 'bfloat16', true],
    [3, 'bfloat16', true],
    [5, 'float32', true],
    [3, 'bfloat16', false],
  ])('has the same bits: %i threads, %s, LoRA %s', async (threads, dtype, lora) => {
    const expected = await gradients(threads, dtype, lora)
    expect(expected.size).toBeGreaterThan(20)
    for (const slowness of ['third', 'random', 'random'] as const) {
      const found = await gradients(threads, dtype, lora, slowness)
      const different = [...expected]
        .filter(([name, bytes]) => !found.get(name)?.equals(bytes))
        .map(([name]) => name)
      expect(different, slowness).toEqual([])
    }
  })
})

describe.skipIf(nativeIsas().length === 0)('threads of different speed', () => {
  // Half of the threads at a third of the speed do two thirds of the work: 1.5 times as long. Divided evenly, it would take 3 times.
  it('are all busy until the end', async () => {
    const testCase: AnyCase = { op: 'linear', ...linear('many tokens', { M: 512, K: 576, N: 1536 }) }
    const run = async (slowness?: Slowness) => {
      slow(slowness)
      const engine = createNativeEngine({ threads: 2 })
      slow(undefined)
      const product = await prepareForward(engine, testCase, 'bfloat16')
      return async () => {
        const begun = performance.now()
        for (let i = 0; i < 10; i += 1) await product.run()
        return performance.now() - begun
      }
    }
    const [even, uneven] = [await run(), await run('third')]
    // The best of some tries by turns, since other tests have the cores at times.
    const ratios: number[] = []
    for (let i = 0; i < 12 && Math.min(...ratios) >= 2.1; i += 1) {
      const time = Math.min(await even(), await even())
      ratios.push(Math.min(await uneven(), await uneven()) / time)
    }
    expect(Math.min(...ratios)).toBeLessThan(2.1)
  })
})
