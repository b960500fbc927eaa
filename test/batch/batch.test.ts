import { describe, expect, it, test } from 'vitest'
import { collate, learnedPlaces, learnedRanges, type Document } from '../../src/batch/index.ts'
import { flattenBatch } from '../../src/model/passes/flatten.ts'

const document = (ids: number[], mask: number[]): Document => ({
  inputIds: Int32Array.from(ids),
  mask: Uint8Array.from(mask),
  origin: { file: 'test', line: 1 },
})

const documents = [
  document([5, 6, 7], [0, 1, 1]),
  document([8], [1]),
  document([9, 10, 11, 12], [1, 0, 0, 1]),
]
const batch = collate(documents)
const labels = [
  [-100, 6, 7, -100],
  [8, -100, -100, -100],
  [9, -100, -100, 12],
]

describe('a batch is the same, whether it comes from documents or from padded rows with labels', () => {
  const tokens = {
    inputIds: batch.inputIds,
    targets: batch.targets,
    positionIds: batch.positionIds,
    documentIds: batch.documentIds,
    learnedTokens: 3,
  }
  it('padded on the right', () => {
    const attentionMask = [
      [1, 1, 1, 0],
      [1, 0, 0, 0],
      [1, 1, 1, 1],
    ]
    const inputIds = [
      [5, 6, 7, 0],
      [8, 0, 0, 0],
      [9, 10, 11, 12],
    ]
    expect(flattenBatch({ inputIds, attentionMask, labels }, 20)).toMatchObject(tokens)
  })
  it('packed in one row', () => {
    const inputIds = [[...batch.inputIds]]
    const packed = [[-100, 6, 7, 8, 9, -100, -100, 12]]
    const positionIds = [[...batch.positionIds]]
    expect(flattenBatch({ inputIds, labels: packed, positionIds }, 20)).toMatchObject(tokens)
    const documentIds = [[4, 4, 4, 9, 1, 1, 1, 1]]
    expect(flattenBatch({ inputIds, labels: packed, documentIds }, 20)).toMatchObject(tokens)
  })
})

test('learned tokens are known by their places and by their documents', () => {
  expect([...learnedPlaces(batch)]).toEqual([0, 1, 6])
  expect(learnedRanges(batch)).toEqual([
    { start: 0, end: 2 },
    { start: 2, end: 2 },
    { start: 2, end: 3 },
  ])
})
