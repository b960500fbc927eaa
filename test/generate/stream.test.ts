import { describe, expect, test } from 'vitest'
import { generateSequences, streamTokens, withText } from '../../src/generate/index.ts'
import type { GenerateOptions, StreamPiece } from '../../src/generate/index.ts'
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

function stream(prompts: number[][], options: GenerateOptions = {}) {
  const made = bigramDecoder(ring)
  const settings = { maxNewTokens: 3, stopTokenIds: [0], ...options }
  const pieces = streamTokens(
    (hooks) => generateSequences(made.decoder, prompts, { ...settings, ...hooks }),
    options.signal,
  )
  return { ...made, pieces }
}

/** What `Tokenizer.createDecodeStream` makes; token 3 is the first half of a character. */
const tokenizer = {
  createDecodeStream({ skipSpecialTokens = false } = {}) {
    let waiting = ''
    return {
      push(id: number) {
        if (id === 3) {
          waiting = '?'
          return ''
        }
        const text = waiting === '' ? `<${id}>` : `<3${id}>`
        waiting = ''
        return skipSpecialTokens && id === 0 ? '' : text
      },
      flush: () => waiting,
    }
  },
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = []
  for await (const item of items) read.push(item)
  return read
}

describe('a stream', () => {
  test('gives each token with its row, and the reason with the last one', async () => {
    expect(await all(stream([[5], [2]]).pieces)).toEqual([
      { row: 0, tokenIds: [0], finishReason: 'stop' },
      { row: 1, tokenIds: [3], finishReason: null },
      { row: 1, tokenIds: [4], finishReason: null },
      { row: 1, tokenIds: [1], finishReason: 'length' },
    ])
  })

  test('starts nothing before it is read', () => {
    const { passes } = stream([[1]])
    expect(passes).toEqual([])
  })

  test('does not wait for a slow reader', async () => {
    const { pieces, greedyPasses } = stream([[1]], { maxNewTokens: 5 })
    await pieces.next()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(greedyPasses).toHaveLength(5)
    expect((await all(pieces)).map(({ tokenIds }) => tokenIds[0])).toEqual([3, 4, 1, 2])
  })

  test('ends the generation when the reader leaves', async () => {
    const { pieces, greedyPasses } = stream([[1]], { maxNewTokens: 60 })
    for await (const { tokenIds } of pieces) if (tokenIds[0] === 3) break
    expect(greedyPasses.length).toBeLessThan(10)
  })

  test('says so where a signal ended a row', async () => {
    const stop = new AbortController()
    const { pieces } = stream([[1]], { maxNewTokens: 60, signal: stop.signal })
    const read: StreamPiece[] = []
    for await (const piece of pieces) {
      read.push(piece)
      stop.abort()
    }
    expect(read.at(-1)).toEqual({ row: 0, tokenIds: [], finishReason: 'abort' })
  })

  test('throws what the generation throws', async () => {
    await expect(all(stream([[]]).pieces)).rejects.toThrow('prompt 0: no tokens')
  })
})

describe('text of a stream', () => {
  test('comes in whole characters, each row by itself', async () => {
    const pieces = withText(stream([[2], [2]]).pieces, { tokenizer })
    expect((await all(pieces)).map(({ row, text }) => [row, text])).toEqual([
      [0, ''],
      [1, ''],
      [0, '<34>'],
      [1, '<34>'],
      [0, '<1>'],
      [1, '<1>'],
    ])
  })

  test('ends with what was left unfinished', async () => {
    const [piece] = await all(withText(stream([[2]], { maxNewTokens: 1 }).pieces, { tokenizer }))
    expect(piece).toEqual({ row: 0, tokenIds: [3], finishReason: 'length', text: '?' })
  })

  test.each([
    ['leaves special tokens out', {}, ''],
    ['keeps them where it is told to', { skipSpecialTokens: false }, '<0>'],
  ])('%s', async (_, options, text) => {
    const [piece] = await all(withText(stream([[5]]).pieces, { tokenizer, ...options }))
    expect(piece.text).toBe(text)
  })
})
