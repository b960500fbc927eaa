import { describe, expect, test } from 'vitest'
import { generateSequences, generateTokens } from '../../src/generate/index.ts'
import type { GenerateOptions } from '../../src/generate/index.ts'
import { createPromptLookup } from '../../src/generate/prompt-lookup.ts'
import { bigramDecoder } from './bigram-decoder.ts'

/** 1 → 2 → 3 → 4 → 1 …; 5 → 0. */
const ring = [
  [9, 0, 0, 0, 0, 0],
  [0, 1, 9, 5, 0, 0],
  [0, 0, 1, 9, 5, 0],
  [0, 5, 0, 1, 9, 0],
  [0, 9, 5, 0, 1, 0],
  [9, 0, 0, 0, 0, 5],
]

describe('guesses', () => {
  const cases: { name: string; sequence: number[]; count?: number; limit?: number; guess: number[] }[] = [
    { name: 'what followed', sequence: [1, 2, 7, 8, 1, 2], guess: [7, 8, 1, 2] },
    { name: 'no more than asked for', sequence: [1, 2, 7, 8, 1, 2], count: 1, guess: [7] },
    { name: 'no more than there is room for', sequence: [1, 2, 7, 8, 1, 2], limit: 2, guess: [7, 8] },
    { name: 'the latest place', sequence: [1, 2, 7, 1, 2, 8, 1, 2], guess: [8, 1, 2] },
    { name: 'the longest place', sequence: [3, 1, 2, 7, 1, 2, 8, 3, 1, 2], guess: [7, 1, 2, 8, 3] },
    { name: 'a place that overlaps', sequence: [6, 6, 6], guess: [6] },
    { name: 'nothing after a single token', sequence: [4, 1, 7, 1], guess: [] },
    { name: 'nothing without a past', sequence: [1], guess: [] },
    { name: 'nothing in an empty text', sequence: [], guess: [] },
  ]
  test.each(cases)('$name', async ({ sequence, count = 5, limit = 9, guess }) => {
    const lookup = createPromptLookup(count)
    expect(await lookup.draft(sequence, limit)).toEqual(guess)
    expect(lookup.canDraft(sequence)).toBe(guess.length > 0)
  })
})

describe('the same answer in fewer passes', () => {
  const cases: { name: string; prompt: number[]; options?: GenerateOptions; capacity?: number }[] = [
    { name: 'all guesses right', prompt: [1, 2, 3, 4, 1, 2] },
    { name: 'all guesses wrong at first', prompt: [1, 2, 4, 1, 2, 4, 1, 2] },
    { name: 'the second guess wrong', prompt: [1, 2, 3, 1, 1, 2] },
    { name: 'the end inside a run', prompt: [1, 2, 3, 4, 1, 2], options: { maxNewTokens: 8 } },
    { name: 'a stop token inside a run', prompt: [1, 2, 3, 4, 1, 2], options: { stopTokenIds: [1] } },
    { name: 'no more room inside a run', prompt: [1, 2, 3, 4, 1, 2], capacity: 13 },
    { name: 'a penalty', prompt: [1, 2, 3, 4, 1, 2], options: { repetitionPenalty: 1.7 } },
    { name: 'draws', prompt: [1, 2, 3, 4, 1, 2], options: { doSample: true, temperature: 2, seed: 5 } },
    {
      name: 'draws with a penalty',
      prompt: [1, 2, 3, 4, 1, 2],
      options: { doSample: true, temperature: 2, repetitionPenalty: 1.3, seed: 6 },
    },
  ]
  test.each(cases)('$name', async ({ prompt, options, capacity }) => {
    const run = async (promptLookupNumTokens: number) => {
      const { decoder, passes, cache } = bigramDecoder(ring, capacity)
      const told: number[] = []
      const onToken = (token: number) => void told.push(token)
      const settings = { maxNewTokens: 40, ...options, onToken, promptLookupNumTokens }
      const [sequence] = await generateSequences(decoder, [prompt], settings)
      expect(told).toEqual(sequence.tokenIds)
      return { sequence, passes: passes.length, cache: cache.get(0) }
    }
    const [plain, guessed] = [await run(0), await run(5)]
    expect(guessed.sequence).toEqual(plain.sequence)
    expect(guessed.passes).toBeLessThan(plain.passes)
    // Guesses after the end may be left in the cache; before it all is as it was fed without them.
    expect(guessed.cache?.slice(0, plain.cache?.length)).toEqual(plain.cache)
  })

  test('a signal inside a run ends it there', async () => {
    const controller = new AbortController()
    const told: number[] = []
    const [sequence] = await generateSequences(bigramDecoder(ring).decoder, [[1, 2, 3, 4, 1, 2]], {
      promptLookupNumTokens: 5,
      signal: controller.signal,
      onToken: (token) => told.push(token) === 3 && controller.abort(),
    })
    expect(sequence).toEqual({ tokenIds: [3, 4, 1], finishReason: 'abort' })
  })

  test('several prompts are refused', async () => {
    const generation = generateTokens(bigramDecoder(ring).decoder, [[1], [2]], { promptLookupNumTokens: 5 })
    await expect(generation).rejects.toThrow('promptLookupNumTokens: 2 prompts at once; expected one prompt')
  })

  test('half a token is refused', async () => {
    const generation = generateTokens(bigramDecoder(ring).decoder, [[1]], { promptLookupNumTokens: 0.5 })
    await expect(generation).rejects.toThrow('promptLookupNumTokens: 0.5; expected a whole number from 0')
  })
})
