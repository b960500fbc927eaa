import { describe, expect, test } from 'vitest'
import { collate, collatePadded, collatePieces, labelsOf, type Document } from '../../src/batch/index.ts'
import { createExampleStore } from '../../src/data/index.ts'
import { golden, type CollatorCase } from './golden.ts'

const origin = { file: 'a.jsonl', line: 1 }
const titled = golden.collator.map((item, i) => ({ ...item, title: `${i}: ${JSON.stringify(item.options)}` }))
const isFlat = ({ options }: CollatorCase) => options.padding_free === true

describe("padded batches are TRL's", () => {
  test.each(titled.filter((item) => !isFlat(item)))('$title', ({ options, examples, batch }) => {
    const rows = examples.map(({ input_ids, labels, seq_lengths }) => ({
      inputIds: input_ids,
      labels,
      documentLengths: seq_lengths,
    }))
    const made = collatePadded(rows, {
      padTokenId: options.pad_token_id,
      padToMultipleOf: options.pad_to_multiple_of,
      positionIds: options.return_position_ids,
    })
    expect(made).toEqual({
      inputIds: batch.input_ids,
      labels: batch.labels,
      attentionMask: batch.attention_mask,
      ...(batch.position_ids && { positionIds: batch.position_ids }),
    })
  })
})

describe("flat batches are TRL's padding-free ones, with the labels shifted", () => {
  test.each(titled.filter(isFlat))('$title', ({ examples, batch }) => {
    const made = collate(examples.flatMap(documentsOf))
    // Only TRL pads to a multiple here; what it appends are documents of one pad token.
    const real = made.inputIds.length
    expect([...made.inputIds]).toEqual(batch.input_ids[0].slice(0, real))
    expect([...made.positionIds]).toEqual(batch.position_ids?.[0].slice(0, real))
    expect([...made.documentIds]).toEqual(batch.seq_idx?.[0].slice(0, real))
    expect([...made.targets]).toEqual([...batch.labels[0].slice(1, real), -100])
    expect(made.learnedTokens).toBe(batch.labels[0].filter((label) => label !== -100).length)
  })
})

function documentsOf({
  input_ids,
  labels,
  seq_lengths = [input_ids.length],
}: CollatorCase['examples'][0]): Document[] {
  let start = 0
  return seq_lengths.map((length) => {
    const at = start
    start += length
    const mask = Uint8Array.from(input_ids, (_, i) => (labels?.[i] === -100 ? 0 : 1))
    return {
      inputIds: Int32Array.from(input_ids.slice(at, start)),
      mask: mask.slice(at, start),
      origin,
    }
  })
}

test('the first token of a document is no target, whatever its mask', () => {
  const document = { inputIds: Int32Array.of(5, 6), mask: Uint8Array.of(1, 1), origin }
  const empty = { inputIds: new Int32Array(0), mask: new Uint8Array(0), origin }
  const { targets, learnedTokens, documents, documentIds } = collate([document, empty, document])
  expect([...targets]).toEqual([6, -100, 6, -100])
  expect(learnedTokens).toBe(2)
  expect([...documentIds]).toEqual([0, 0, 1, 1])
  expect(documents).toHaveLength(2)
})

test('pieces of stored examples are documents', () => {
  const store = createExampleStore()
  store.add({ inputIds: Int32Array.of(1, 2, 3, 4), mask: Uint8Array.of(0, 1, 1, 1), spans: [], origin })
  const batch = collatePieces(store, [
    { example: 0, start: 2, length: 2 },
    { example: 0, start: 0, length: 2 },
  ])
  expect([...batch.inputIds]).toEqual([3, 4, 1, 2])
  expect([...batch.targets]).toEqual([4, -100, 2, -100])
})

test('generation pads left', () => {
  const made = collatePadded([{ inputIds: [1, 2] }, { inputIds: [3] }], {
    padTokenId: 9,
    paddingSide: 'left',
  })
  expect(made.inputIds).toEqual([
    [1, 2],
    [9, 3],
  ])
  expect(made.attentionMask).toEqual([
    [1, 1],
    [0, 1],
  ])
})

test('a pad token that is also eos stays learned inside a row', () => {
  const inputIds = [4, 7, 0]
  const made = collatePadded([{ inputIds, labels: labelsOf(inputIds, [0, 1, 1]) }, { inputIds: [4] }], {
    padTokenId: 0,
  })
  expect(made.labels).toEqual([
    [-100, 7, 0],
    [4, -100, -100],
  ])
})
