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

  test('documents that belong together share a pass, which numbers them anew', () => {
    const batch = collate([3, 3, 20, 2, 4, 4].map(example))
    const parts = splitBatch(batch, 10, 2)
    expect(parts.map(({ documents }) => documents.map(({ inputIds }) => inputIds.length))).toEqual([
      [3, 3],
      [20, 2],
      [4, 4],
    ])
    for (const { documentIds, documents, targets, learnedTokens } of parts) {
      expect([...new Set(documentIds)]).toEqual([0, 1])
      expect(learnedTokens).toBe(documents[0].inputIds.length + documents[1].inputIds.length - 2)
      expect(targets.filter((target) => target >= 0)).toHaveLength(learnedTokens)
    }
    expect(() => splitBatch(batch, 10, 4)).toThrow('6 documents are not groups of 4')
  })
})
