import { describe, expect, test } from 'vitest'
import { generateTokens } from '../../src/generate/index.ts'
import { sharedBeginnings } from '../../src/generate/shared-beginning.ts'
import { bigramDecoder } from './bigram-decoder.ts'

const system = Array.from({ length: 70 }, (_, i) => 1 + (i % 4))
const other = Array.from({ length: 70 }, (_, i) => 1 + ((3 * i) % 4))

describe('which beginnings are copied', () => {
  const cases: {
    name: string
    prompts: number[][]
    cached?: number[]
    copies: [source: number, slot: number, count: number][]
  }[] = [
    {
      name: 'a common beginning',
      prompts: [
        [...system, 5],
        [...system, 1, 2],
      ],
      copies: [[0, 1, 70]],
    },
    { name: 'all but the last token of equals', prompts: [system, system], copies: [[0, 1, 69]] },
    {
      name: 'each from the first of its kind',
      prompts: [
        [...system, 5],
        [...other, 5],
        [...other, 4],
        [...system, 4],
      ],
      copies: [
        [1, 2, 70],
        [0, 3, 70],
      ],
    },
    {
      name: 'all of a prompt that goes on elsewhere',
      prompts: [[...system, 5, 1], system],
      copies: [[0, 1, 69]],
    },
    { name: 'nothing of what is too short', prompts: [system.slice(0, 60), system.slice(0, 60)], copies: [] },
    {
      name: 'short ones of many',
      prompts: Array.from({ length: 12 }, () => system.slice(0, 9)),
      copies: Array.from({ length: 11 }, (_, i) => [0, i + 1, 8]),
    },
    { name: 'nothing that is there already', prompts: [system, system], cached: [0, 65], copies: [] },
    { name: 'nothing of one prompt', prompts: [system], copies: [] },
    { name: 'nothing of different ones', prompts: [system, other], copies: [] },
  ]
  test.each(cases)('$name', ({ prompts, cached, copies }) => {
    expect(sharedBeginnings(prompts, cached)).toEqual(
      copies.map(([source, slot, count]) => ({ source, slot, count })),
    )
  })
})

test('a beginning is computed once, and the rows are as they are alone', async () => {
  const ring = [
    [9, 0, 0, 0, 0, 0],
    [0, 1, 9, 5, 0, 0],
    [0, 0, 1, 9, 5, 0],
    [0, 5, 0, 1, 9, 0],
    [0, 9, 5, 0, 1, 0],
    [9, 0, 0, 0, 0, 5],
  ]
  const prompts = [[...system, 5], [...system, 1, 2], other, [...system, 3]]
  const { decoder, passes, cache } = bigramDecoder(ring, 100)
  const together = await generateTokens(decoder, prompts, { maxNewTokens: 6 })
  expect(passes.slice(0, 2).map(({ ids }) => ids.length)).toEqual([71 + 70, 2 + 1])
  for (const [i, prompt] of prompts.entries()) {
    const alone = bigramDecoder(ring, 100)
    expect([together[i]]).toEqual(await generateTokens(alone.decoder, [prompt], { maxNewTokens: 6 }))
    expect(cache.get(i)).toEqual(alone.cache.get(0))
  }
})
