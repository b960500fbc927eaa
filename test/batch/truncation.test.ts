import { describe, expect, test } from 'vitest'
import { createTokenLedger, truncate } from '../../src/batch/index.ts'
import type { Example } from '../../src/data/index.ts'

const example = (length: number, spans: [number, number][], line = 1): Example => {
  const mask = new Uint8Array(length)
  for (const [start, end] of spans) mask.fill(1, start, end)
  return {
    inputIds: Int32Array.from({ length }, (_, i) => 100 + i),
    mask,
    spans: spans.map(([start, end], i) => ({ message: 2 * i + 1, start, end, status: 'proved' })),
    origin: { file: 'a.jsonl', line },
  }
}

describe('truncation', () => {
  const chat = example(20, [
    [4, 8],
    [12, 18],
  ])
  test.each([
    { name: 'long enough', maxLength: 20, cut: undefined },
    { name: 'the newline behind', maxLength: 18, cut: { droppedTokens: 2, droppedLearned: 0, cutStops: [] } },
    { name: 'the stop token', maxLength: 17, cut: { droppedTokens: 3, droppedLearned: 1, cutStops: [3] } },
    {
      name: 'the whole last turn',
      maxLength: 12,
      cut: { droppedTokens: 8, droppedLearned: 6, cutStops: [] },
    },
    {
      name: 'both answers',
      maxLength: 4,
      cut: { droppedTokens: 16, droppedLearned: 10, cutStops: [], isLost: true },
    },
  ])('at the end cuts off $name', ({ maxLength, cut }) => {
    const result = truncate(chat, { maxLength })
    if (cut === undefined) expect(result).toEqual({ example: chat })
    else expect(result.cut).toMatchObject({ isLost: false, origin: chat.origin, ...cut })
    expect(result.example.inputIds).toEqual(chat.inputIds.slice(0, maxLength))
    expect(result.example.mask).toEqual(chat.mask.slice(0, maxLength))
  })

  test('keeps the spans that are left, and says which have no stop any more', () => {
    expect(truncate(chat, { maxLength: 15 }).example.spans).toEqual([
      { message: 1, start: 4, end: 8, status: 'proved' },
      { message: 3, start: 12, end: 15, status: 'no-stop' },
    ])
  })

  test('from the start keeps the stop', () => {
    const { example: kept, cut } = truncate(chat, { maxLength: 7, mode: 'keep_end' })
    expect([...kept.inputIds]).toEqual([113, 114, 115, 116, 117, 118, 119])
    expect(kept.spans).toEqual([{ message: 3, start: 0, end: 5, status: 'proved' }])
    expect(cut).toMatchObject({ droppedTokens: 13, cutStops: [] })
  })
})

test('the ledger balances', () => {
  const ledger = createTokenLedger({ maxLength: 10 })
  const given = [
    example(8, [[2, 8]], 1), // fits
    example(15, [[2, 12]], 2), // loses its stop
    example(15, [[12, 14]], 3), // loses its only answer
    example(9, [], 4), // had none
    example(
      12,
      [
        [2, 5],
        [7, 10],
      ],
      5,
    ), // loses what nobody learns
  ]
  const kept = given.flatMap((item) => ledger.admit(item) ?? [])
  const report = ledger.report()
  expect(kept.map(({ origin }) => origin.line)).toEqual([1, 2, 5])
  expect(report).toMatchObject({
    examples: 5,
    keptTokens: 28,
    keptLearned: 6 + 8 + 6,
    truncatedExamples: 3,
    droppedTokens: 5 + 15 + 2,
    droppedLearned: 2 + 2,
    cutStops: 1,
    lostExamples: 1,
    unlearnedExamples: 1,
    unlearnedTokens: 9,
  })
  expect(report.cuts.map(({ origin, cutStops }) => [origin.line, cutStops])).toEqual([
    [2, [1]],
    [3, []],
    [5, []],
  ])
  const total = given.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  expect(report.keptTokens + report.droppedTokens + report.unlearnedTokens).toBe(total)
})
