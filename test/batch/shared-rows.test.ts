import { expect, test } from 'vitest'
import { collate, sharedRows } from '../../src/batch/index.ts'

const batch = (...documents: number[][]) =>
  collate(
    documents.map((ids) => ({
      inputIds: Int32Array.from(ids),
      mask: new Uint8Array(ids.length).fill(1),
      origin: { file: 'x' },
    })),
  )

test.each<[string, number[][], number[] | undefined]>([
  [
    'nothing in common',
    [
      [1, 2, 3],
      [4, 2, 3],
    ],
    undefined,
  ],
  [
    'a prompt',
    [
      [1, 2, 3, 4],
      [1, 2, 5],
    ],
    [0, 1, 2, 3, 0, 1, 4],
  ],
  [
    'of three',
    [
      [1, 2, 3],
      [1, 2, 4],
      [1, 5],
    ],
    [0, 1, 2, 0, 1, 3, 0, 4],
  ],
  [
    'a document that another one begins with',
    [
      [1, 2, 3],
      [1, 2],
    ],
    [0, 1, 2, 0, 1],
  ],
  [
    'and the other way round',
    [
      [1, 2],
      [1, 2, 3],
    ],
    [0, 1, 0, 1, 2],
  ],
  [
    'equal ones',
    [
      [7, 8],
      [7, 8],
    ],
    [0, 1, 0, 1],
  ],
  [
    'not what comes after a difference',
    [
      [1, 2, 3, 4],
      [1, 9, 3, 4],
    ],
    [0, 1, 2, 3, 0, 4, 5, 6],
  ],
  ['only with the document before', [[1, 2], [3], [1, 2]], undefined],
  ['too little', [Array.from({ length: 40 }, (_, i) => i), [0, ...Array<number>(30).fill(50)]], undefined],
])('%s', (_, documents, expected) => {
  const shared = sharedRows(batch(...documents))
  expect(shared && [...shared.of]).toEqual(expected)
  if (!shared) return
  const ids = batch(...documents).inputIds
  expect(shared.places.length).toBe(Math.max(...shared.of) + 1)
  // Each token is the one that stands for it, which comes no later.
  shared.of.forEach((row, place) => {
    expect(ids[shared.places[row]]).toBe(ids[place])
    expect(shared.places[row]).toBeLessThanOrEqual(place)
  })
})
