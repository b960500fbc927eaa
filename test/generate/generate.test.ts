import { describe, expect, test } from 'vitest'
import { generateSequences, generateTokens } from '../../src/generate/index.ts'
import type { GenerateOptions } from '../../src/generate/index.ts'
import { bigramDecoder } from './bigram-decoder.ts'

/** 1 → 2 → 3 → 4 → 1 …; 5 → 0, and 0 is the stop token. */
const ring = [
  [9, 0, 0, 0, 0, 0],
  [0, 1, 9, 5, 0, 0],
  [0, 0, 1, 9, 5, 0],
  [0, 5, 0, 1, 9, 0],
  [0, 9, 5, 0, 1, 0],
  [9, 0, 0, 0, 0, 5],
]
const stopTokenIds = [0]

describe('the loop', () => {
  test('takes the most likely token until there are enough', async () => {
    const { decoder, cache } = bigramDecoder(ring)
    expect(await generateTokens(decoder, [[1]], { maxNewTokens: 5 })).toEqual([[2, 3, 4, 1, 2]])
    // The last token is not fed: nobody asks what follows it.
    expect(cache.get(0)).toEqual([1, 2, 3, 4, 1])
  })

  test('ends a sequence with the stop token, and says why each ended', async () => {
    const { decoder } = bigramDecoder(ring)
    expect(await generateSequences(decoder, [[5], [3]], { maxNewTokens: 3, stopTokenIds })).toEqual([
      { tokenIds: [0], finishReason: 'stop' },
      { tokenIds: [4, 1, 2], finishReason: 'length' },
    ])
  })

  test('no longer feeds what has ended', async () => {
    const { decoder, passes } = bigramDecoder(ring)
    await generateTokens(decoder, [[5], [3], [2, 5]], { maxNewTokens: 3, stopTokenIds })
    expect(passes.map(({ slots }) => slots)).toEqual([[0, 1, 2, 2], [1], [1]])
  })

  test('feeds long prompts in chunks, and chooses only after the last token of each', async () => {
    const { decoder, passes, cache } = bigramDecoder(ring, 2000)
    const prompt = Array.from({ length: 700 }, (_, i) => 1 + (i % 4))
    const another = [3, ...prompt.slice(1)]
    const tokens = await generateTokens(decoder, [prompt, [1, 2], another], { maxNewTokens: 2 })
    expect(tokens).toEqual([
      [1, 2],
      [3, 4],
      [1, 2],
    ])
    expect(passes.map(({ ids }) => ids.length)).toEqual([1024, 378, 3])
    expect(passes.map(({ rows }) => rows)).toEqual([[699, 701], [377], [0, 1, 2]])
    expect(cache.get(2)).toEqual([...another, 1])
  })

  test('ends when a slot is full', async () => {
    const { decoder } = bigramDecoder(ring, 4)
    expect(await generateSequences(decoder, [[1, 2]])).toEqual([{ tokenIds: [3, 4], finishReason: 'length' }])
  })

  test('does not feed again what a slot holds', async () => {
    const { decoder, passes } = bigramDecoder(ring)
    const [answer] = await generateTokens(decoder, [[1, 2, 3]], { maxNewTokens: 2 })
    await generateTokens(decoder, [[1, 2, 3, ...answer, 5]], { maxNewTokens: 1, cachedTokens: [4] })
    expect(passes.at(-1)?.ids).toEqual([1, 5])
    await generateTokens(decoder, [[1, 2]], { maxNewTokens: 1, cachedTokens: [2] })
    expect(passes.at(-1)?.ids).toEqual([2])
  })

  test('streams every token with its row', async () => {
    const { decoder } = bigramDecoder(ring)
    const seen: [number, number][] = []
    await generateTokens(decoder, [[5], [3]], {
      maxNewTokens: 2,
      stopTokenIds,
      onToken: (token, row) => seen.push([row, token]),
    })
    expect(seen).toEqual([
      [0, 0],
      [1, 4],
      [1, 1],
    ])
  })

  test('returns what is there when the signal says so', async () => {
    const { decoder } = bigramDecoder(ring)
    const controller = new AbortController()
    let count = 0
    const options: GenerateOptions = {
      signal: controller.signal,
      onToken: () => {
        count += 1
        if (count === 2) controller.abort()
      },
    }
    const aborted = [{ tokenIds: [2, 3], finishReason: 'abort' }]
    expect(await generateSequences(decoder, [[1]], options)).toEqual(aborted)
    expect(await generateSequences(decoder, [[1]], options)).toEqual([
      { tokenIds: [], finishReason: 'abort' },
    ])
  })

  test('asks for logits only when they are needed', async () => {
    const plain = bigramDecoder(ring)
    await generateTokens(plain.decoder, [[1]], { maxNewTokens: 3 })
    expect(plain.greedyPasses).toEqual([1, 1, 1])
    const penalised = bigramDecoder(ring)
    await generateTokens(penalised.decoder, [[1]], { maxNewTokens: 3, repetitionPenalty: 1.2 })
    expect(penalised.greedyPasses).toEqual([])
  })
})

describe('choosing', () => {
  test('the repetition penalty counts prompt and answer, also without sampling', async () => {
    const { decoder } = bigramDecoder(ring)
    // After 1 the ring says 2 (9, halved because the prompt has it), so that 3 (5) comes first.
    const options = { maxNewTokens: 4, repetitionPenalty: 2 }
    expect(await generateTokens(decoder, [[2, 1]], options)).toEqual([[3, 4, 1, 2]])
  })

  test('the same seed gives the same tokens, another one others', async () => {
    const { decoder } = bigramDecoder(ring, 500)
    const sample = (seed: number) =>
      generateTokens(decoder, [[1], [1]], { doSample: true, temperature: 4, maxNewTokens: 40, seed })
    expect(await sample(7)).toEqual(await sample(7))
    expect(await sample(7)).not.toEqual(await sample(8))
    const [first, second] = await sample(7)
    expect(first).not.toEqual(second)
  })

  test('a row does not depend on its neighbours', async () => {
    const { decoder } = bigramDecoder(ring, 500)
    const options: GenerateOptions = { doSample: true, temperature: 4, maxNewTokens: 40, seed: 3 }
    const [alone] = await generateTokens(decoder, [[2]], options)
    const [beside] = await generateTokens(decoder, [[2], [5], [3]], { ...options, stopTokenIds: [] })
    expect(beside).toEqual(alone)
  })

  test('top-k 1 is greedy', async () => {
    const { decoder } = bigramDecoder(ring)
    const tokens = await generateTokens(decoder, [[1]], { doSample: true, topK: 1, maxNewTokens: 4 })
    expect(tokens).toEqual([[2, 3, 4, 1]])
  })
})

describe('input that cannot be used', () => {
  const wrong: { name: string; prompts?: number[][]; options?: GenerateOptions; message: string }[] = [
    {
      name: 'temperature 0',
      options: { temperature: 0 },
      message: 'temperature: 0; expected a number above 0',
    },
    { name: 'half a token', options: { topK: 0.5 }, message: 'topK: 0.5; expected a whole number from 0' },
    { name: 'top-p above 1', options: { topP: 1.5 }, message: 'topP: 1.5; expected a number from 0 to 1' },
    {
      name: 'no token wanted',
      options: { maxNewTokens: 0 },
      message: 'maxNewTokens: 0; expected a whole number from 1',
    },
    { name: 'not a number', options: { minP: Number.NaN }, message: 'minP: NaN; expected' },
    { name: 'an empty prompt', prompts: [[1], []], message: 'prompt 1: no tokens; expected at least one' },
    {
      name: 'a prompt without room',
      prompts: [Array(99).fill(1)],
      message: 'prompt 0: 99 tokens; expected at most 64',
    },
  ]
  test.each(wrong)('$name', async ({ prompts = [[1]], options, message }) => {
    await expect(generateTokens(bigramDecoder(ring).decoder, prompts, options)).rejects.toThrow(message)
  })

  test('all wrong options are said at once', async () => {
    const generation = generateTokens(bigramDecoder(ring).decoder, [[1]], { topP: 2, topK: -1 })
    await expect(generation).rejects.toThrow(/topK.*\n?topP/s)
  })

  test('a model that computes NaN after a while', async () => {
    const { decoder } = bigramDecoder(ring.map((row, id) => (id === 3 ? [0, 9, Number.NaN, 0, 0, 0] : row)))
    const message = 'logits of row 4, token 3: NaN or infinite logits'
    await expect(generateTokens(decoder, [[1]], { firstRow: 4 })).rejects.toThrow(message)
  })

  test('a model that computes NaN', async () => {
    const { decoder } = bigramDecoder(ring.map((row) => row.map(() => Number.NaN)))
    await expect(generateTokens(decoder, [[1]], { doSample: true })).rejects.toThrow(
      'logits of row 0, token 1: NaN or infinite logits; expected finite numbers, to choose a token by.',
    )
  })
})
