import { describe, expect, test } from 'vitest'
import { nativeProblem } from '../../src/engine/native/index.ts'
import type { Decoder } from '../../src/generate/index.ts'
import { generateTokens } from '../../src/generate/index.ts'
import { AutoModelForCausalLM } from '../../src/model/index.ts'
import { createHistory } from '../../src/model/passes/slot-history.ts'
import { fixture } from './golden.ts'

// Models whose layers keep states that know the newest tokens only.
const engines = nativeProblem() === undefined ? (['reference', 'native'] as const) : (['reference'] as const)
const cases = engines.flatMap((engine) => (['lfm2', 'qwen3-5'] as const).map((name) => ({ engine, name })))

const prompts = [
  [5, 6, 7],
  [9, 3, 9, 3, 9, 3, 9],
  [11],
  Array.from({ length: 100 }, (_, i) => 3 + ((i * 7) % 50)),
  [5, 6, 8],
]

describe.each(cases)('$name on the $engine engine', ({ engine, name }) => {
  const load = () => AutoModelForCausalLM.fromPretrained(fixture(name), { dtype: 'float32', engine })
  const settings = { maxNewTokens: 12, stopTokenIds: [] }

  test('streams of different lengths, some of which end, say what each says alone', async () => {
    const model = await load()
    const alone: number[][] = []
    for (const prompt of prompts) alone.push(...(await model.generate({ inputIds: [prompt] }, settings)))
    expect(await model.generate({ inputIds: prompts }, settings)).toEqual(alone)
    // The third token of the second stream ends it, and others that come by it.
    const stop = alone[1][2]
    const until = alone.map((tokens) =>
      tokens.includes(stop) ? tokens.slice(0, tokens.indexOf(stop) + 1) : tokens,
    )
    const stopping = { ...settings, stopTokenIds: [stop] }
    expect(await model.generate({ inputIds: prompts }, stopping)).toEqual(until)
    expect(await model.generate({ inputIds: prompts.toReversed() }, stopping)).toEqual(until.toReversed())
  })

  test('a cache says what a pass over everything says', async () => {
    const model = await load()
    const [prompt] = [prompts[3]]
    const [tokens] = await model.generate({ inputIds: [prompt] }, settings)
    for (const [i, token] of tokens.entries()) {
      const { logits } = await model.forward({ inputIds: [[...prompt, ...tokens.slice(0, i)]] })
      const last = logits.data.slice(-logits.shape[2])
      expect(last.indexOf(Math.max(...last))).toBe(token)
    }
  })

  test('guesses, right and wrong ones, change nothing', async () => {
    const model = await load()
    const inputs = { inputIds: [[9, 3, 9, 3, 9, 3, 9]] }
    const longer = { ...settings, maxNewTokens: 40 }
    const plain = await model.generate(inputs, longer)
    for (const promptLookupNumTokens of [1, 4])
      expect(await model.generate(inputs, { ...longer, promptLookupNumTokens })).toEqual(plain)
    const assistantModel = await load()
    for (const numAssistantTokens of [1, 3])
      expect(await model.generate(inputs, { ...longer, assistantModel, numAssistantTokens })).toEqual(plain)
  })

  test('prompts that share their beginning, or are the same, say what each says alone', async () => {
    const model = await load()
    const system = prompts[3]
    const all = [[...system, 4], [...system, 4], [...system, 9, 8], system, [...system, 4]]
    const alone: number[][] = []
    for (const prompt of all) alone.push(...(await model.generate({ inputIds: [prompt] }, settings)))
    expect(await model.generate({ inputIds: all }, settings)).toEqual(alone)
  })

  test('a conversation goes on from where its cache is, and from the beginning where it differs', async () => {
    const model = await load()
    const decoder = model.decoder(1, 200)
    const [answer] = await generateTokens(decoder, [prompts[3]], settings)
    const longer = [...prompts[3], ...answer, 4, 5]
    const other = [...prompts[3].slice(0, 50), 4, 5]
    expect(decoder.resumable(0, longer.length - 3)).toBe(longer.length - 3)
    expect(decoder.resumable(0, 50)).toBe(0)
    for (const [prompt, cached] of [
      [longer, longer.length - 3],
      [other, 50],
    ] as const) {
      const expected = await model.generate({ inputIds: [prompt] }, settings)
      expect(await generateTokens(decoder, [prompt], { ...settings, cachedTokens: [cached] })).toEqual(
        expected,
      )
    }
    decoder.free()
  })

  test('refuses to go on from a position that the states do not know', async () => {
    const model = await load()
    const decoder: Decoder = model.decoder(2, 20)
    const tokens = (position: number) => ({
      ids: Int32Array.of(5),
      slots: Int32Array.of(0),
      positions: Int32Array.of(position),
    })
    await expect(decoder.feed(tokens(3), Int32Array.of(0))).rejects.toThrow('can go on from positions 0')
    for (const position of [0, 1, 2]) await decoder.feed(tokens(position), Int32Array.of(0))
    await expect(decoder.feed(tokens(1), Int32Array.of(0))).rejects.toThrow('2 to 3, not from 1')
    await expect(decoder.copySlots([{ source: 0, slot: 1, count: 1 }])).rejects.toThrow('not from 1')
    decoder.free()
  })
})

test('a slot that went back knows less of what was before', () => {
  const history = createHistory(1, 2)
  const feed = (...positions: number[]) =>
    history.feed({ slots: new Int32Array(positions.length), positions: Int32Array.from(positions) })
  feed(0, 1, 2, 3, 4)
  expect([0, 2, 3, 4, 5, 6].map((count) => history.resumable(0, count))).toEqual([0, 0, 3, 4, 5, 0])
  feed(3)
  expect([2, 3, 4, 5].map((count) => history.resumable(0, count))).toEqual([0, 3, 4, 0])
  feed(0)
  expect([0, 1, 2].map((count) => history.resumable(0, count))).toEqual([0, 1, 0])
})
