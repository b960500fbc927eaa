import { describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { createRandom } from '../../src/random.ts'
import { fixture } from './golden.ts'

const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
const random = createRandom(3)
const tokens = (count: number) => Array.from({ length: count }, () => 3 + Math.floor(100 * random()))
const system = tokens(30)
const prompts = [[...system, ...tokens(3)], [...system, ...tokens(7)], tokens(12), [...system, 9], system]

describe.each(engines)('%s engine in float32', (engine) => {
  test.each(['llama', 'mistral'] as const)(
    '%s: rows that share a beginning are as they are alone',
    async (name) => {
      const model = await AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })
      const settings = { maxNewTokens: 12, stopTokenIds: [] }
      const alone: number[][] = []
      for (const prompt of prompts) alone.push(...(await model.generate({ inputIds: [prompt] }, settings)))
      expect(await model.generate({ inputIds: prompts }, settings)).toEqual(alone)
      // As a batch with left padding, too.
      const time = Math.max(...prompts.map(({ length }) => length))
      const padded = (of: (prompt: number[]) => number[]) =>
        prompts.map((prompt) => [...Array<number>(time - prompt.length).fill(0), ...of(prompt)])
      const inputs = {
        inputIds: padded((prompt) => prompt),
        attentionMask: padded((prompt) => prompt.map(() => 1)),
      }
      expect(await model.generate(inputs, settings)).toEqual(alone)
    },
  )

  test('a copied cache says what a computed one says', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(fixture('llama'), { dtype: 'float32', engine })
    const decoder = model.decoder(4, 40)
    const feed = (slots: number[], from: number, ids: number[]) =>
      decoder.feed(
        {
          ids: Int32Array.from(slots.flatMap(() => ids)),
          slots: Int32Array.from(slots.flatMap((slot) => ids.map(() => slot))),
          positions: Int32Array.from(slots.flatMap(() => ids.map((_, i) => from + i))),
        },
        Int32Array.from(slots, (_, i) => (i + 1) * ids.length - 1),
      )
    await feed([0], 0, system)
    await decoder.copySlots([
      { source: 0, slot: 1, count: 30 },
      { source: 0, slot: 3, count: 20 },
    ])
    const logits = await feed([0, 1], 30, [7, 8])
    const width = decoder.vocabSize
    expect(logits.subarray(width)).toEqual(logits.subarray(0, width))
    const shorter = await feed([3], 20, [7, 8])
    await feed([2], 0, system.slice(0, 20))
    const computed = await feed([2], 20, [7, 8])
    shorter.forEach((logit, i) => expect(Math.abs(logit - computed[i])).toBeLessThan(1e-5))
    decoder.free()
  })
})
