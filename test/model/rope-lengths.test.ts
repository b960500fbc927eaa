import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { maxDifference, readTensors } from './golden.ts'

// Sequences on both sides of the length from which a rotation is another one; recorded by record.py in this folder.
const folder = join(import.meta.dirname, '..', 'fixtures', 'rope-lengths')
const cases = readdirSync(folder).filter((name) => !name.includes('.'))
const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)

describe.each(engines)('%s', (engine) => {
  describe.each(cases)('%s', async (name) => {
    const golden = await readTensors(join(folder, name, 'golden.safetensors'))
    const [row] = await golden.rows('input_ids')
    const lengths = golden.names.flatMap((key) => /^(\d+)\.logits$/.exec(key)?.[1] ?? []).map(Number)
    const load = () => AutoModelForCausalLM.fromPretrained(join(folder, name), { dtype: 'float32', engine })

    it('logits, with one model for all lengths, up and down again', async () => {
      await using model = await load()
      for (const length of [...lengths, ...lengths.toReversed()]) {
        const { logits } = await model.forward({ inputIds: [row.slice(0, length)] })
        expect(maxDifference(logits.data, await golden.floats(`${length}.logits`)), `${length}`).toBeLessThan(
          1e-4,
        )
      }
    })

    it.each(lengths)('greedy tokens after %i', async (length) => {
      await using model = await load()
      const [expected] = await golden.rows(`greedy.${length}`)
      const maxNewTokens = expected.length - length
      const prompt = { inputIds: [row.slice(0, length)] }
      const options = { maxNewTokens, stopTokenIds: [] }
      const [generated] = await model.generate(prompt, options)
      expect([...prompt.inputIds[0], ...generated]).toEqual(expected)
      // One token at a time, with another pass of the model between any two.
      let streamed: number[] = []
      const decoder = model.decoder(1, expected.length)
      for (let next = prompt.inputIds[0], at = 0; at < expected.length;) {
        const places = Int32Array.from(next, (_, i) => at + i)
        const tokens = { ids: Int32Array.from(next), slots: new Int32Array(next.length), positions: places }
        const [best] = await decoder.feedGreedy(tokens, Int32Array.of(next.length - 1))
        at += next.length
        streamed = [...streamed, ...next]
        next = [best]
        await model.forward({ inputIds: [at % 2 === 0 ? row : row.slice(0, 3)] })
      }
      expect(streamed).toEqual(expected)
    })

    it('greedy tokens after two prompts at once', async () => {
      await using model = await load()
      const expected = await golden.rows('pair.output')
      const inputIds = await golden.rows('pair.prompt')
      const attentionMask = await golden.rows('pair.mask')
      const options = { maxNewTokens: expected[0].length - inputIds[0].length, stopTokenIds: [] }
      const generated = await model.generate({ inputIds, attentionMask }, options)
      expect(generated.map((ids, i) => [...inputIds[i], ...ids])).toEqual(expected)
    })
  })
})
