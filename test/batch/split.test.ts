import { describe, expect, test } from 'vitest'
import { collate, documentStarts, splitBatch } from '../../src/batch/index.ts'

describe('splitBatch', () => {
  const example = (length: number, line: number) => ({
    inputIds: Int32Array.from({ length }, (_, i) => line * 100 + i),
    mask: new Uint8Array(length).fill(1),
    origin: { file: 'x', line },
  })
  test.each([
    { lengths: [5, 5, 5, 5], tokens: 10, passes: [10, 10] },
    { lengths: [30, 1], tokens: 10, passes: [30, 1] },
    { lengths: [4, 4, 4], tokens: 100, passes: [12] },
    { lengths: [], tokens: 10, passes: [] },
  ])('$lengths in passes of $tokens', ({ lengths, tokens, passes }) => {
    const batch = collate(lengths.map(example))
    const parts = splitBatch(batch, tokens)
    expect(parts.map(({ inputIds }) => inputIds.length)).toEqual(passes)
    expect(parts.flatMap(({ targets }) => [...targets])).toEqual([...batch.targets])
    for (const { positionIds, documentIds } of parts)
      expect([...documentStarts(documentIds)]).toEqual([...positionIds].map((position, i) => i - position))
  })
})
