import { expect, describe, test } from 'vitest'
import { binsOf, drawHistogram } from '../../src/cli/inspect/histogram.ts'
import { createStatistics, statisticsJson } from '../../src/cli/inspect/statistics.ts'
import { showStatistics } from '../../src/cli/inspect/statistics-view.ts'
import { paintOf, visibleLength } from '../../src/cli/terminal/paint.ts'
import type { Terminal } from '../../src/cli/terminal/terminal.ts'
import { createDataReport, createLengthCounts } from '../../src/data/index.ts'

const terminalOf = (width: number, interactive = true): Terminal => ({
  interactive,
  width,
  lineWidth: width,
  paint: paintOf(interactive),
  write: () => {},
  writeAnswer: () => {},
})

const lengthsOf = (values: readonly number[]) => {
  const lengths = createLengthCounts()
  for (const value of values) lengths.add(value)
  return lengths
}

describe('a histogram', () => {
  test.each<[string, number[], [from: number, count: number][]]>([
    ['one length', [7, 7], [[7, 2]]],
    ['nothing', [], []],
    [
      'few',
      [1, 2, 2, 9],
      [
        [1, 1],
        [2, 2],
        [3, 0],
        [4, 0],
        [5, 0],
        [6, 0],
        [7, 0],
        [8, 0],
        [9, 1],
      ],
    ],
  ])('of %s', (_, values, bins) => {
    expect(binsOf(lengthsOf(values)).map(({ from, count }) => [from, count])).toEqual(bins)
  })

  test('has a last bin for the few that are much longer', () => {
    const bins = binsOf(lengthsOf([...Array.from({ length: 1000 }, (_, i) => 10 + (i % 90)), 5000, 900_000]))
    expect(bins.length).toBeLessThanOrEqual(12)
    expect(bins.at(-1)).toEqual({ from: 112, count: 2 })
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(1002)
  })

  test.each([30, 40, 80, 200])('fits %d columns', (width) => {
    const bins = binsOf(lengthsOf(Array.from({ length: 3000 }, (_, i) => (i * i) % 9000)))
    for (const interactive of [true, false])
      for (const line of drawHistogram(bins, terminalOf(width, interactive)))
        expect(visibleLength(line)).toBeLessThanOrEqual(width)
  })
})

describe('statistics', () => {
  const report = createDataReport()
  report.rows = 3
  report.duplicates = 4
  report.heldOut = 1
  report.sources = [
    {
      name: 'a-file-with-a-long-name/train.jsonl',
      format: 'instruct',
      rows: 3,
      invalidRows: 0,
      conversations: 3,
      columns: { read: { question: 'input', answer: 'output' }, unread: ['id'] },
    },
  ]
  const options = {
    packing: true,
    packingStrategy: 'bfd',
    maxLength: 4,
    truncationMode: 'keep_start',
  } as const
  const statistics = createStatistics(options, report)
  for (const [i, length] of [3, 4, 6].entries()) {
    const row = { id: i, question: `What\u001B[31m is ${i}?`, answer: i === 0 ? null : 'It is what it is.' }
    statistics.seeRow({ value: row, origin: { file: 'train.jsonl', line: i + 1 } }, 0)
    statistics.seeExample({
      inputIds: new Int32Array(length),
      mask: Uint8Array.from({ length }, (_, at) => (at > 0 ? 1 : 0)),
      spans: [{ message: 1, start: 1, end: length, status: 'proved' }],
      origin: { file: 'train.jsonl', line: i + 1 },
    })
  }
  const found = statistics.finish(false)

  test('in a pipe', () => {
    expect(showStatistics(found, terminalOf(80, false))).toEqual([
      'a-file-with-a-long-name/train.jsonl · format instruct · 3 rows',
      '  id · not read · integer · 3 distinct',
      '    0',
      '  question · read as input · text · 3 distinct · 15 characters',
      String.raw`    "What\u001b[31m is 0?"`,
      '  answer · read as output · text · 1 null · 1 distinct · 17 characters',
      '    "It is what it is."',
      '',
      'lengths of 3 examples: 3 to 6 tokens, median 4',
      '  3 ################################################## 1',
      '  4 ################################################## 1',
      '  5 0',
      '  6 ################################################## 1',
      '',
      '  learned: 10 of 13 tokens (76.9%)',
      '  lost to max_length 4: 2 tokens, 2 of them learned, of 1 example that are',
      '    longer; 1 answer without stop token; 8 learned tokens are left',
      '  duplicates left out: 4',
      '  held out for evaluation: 1 row',
    ])
  })

  test.each([40, 60, 120])('within %d columns', (width) => {
    for (const line of showStatistics(found, terminalOf(width)))
      expect(visibleLength(line)).toBeLessThanOrEqual(width)
  })

  test('for machines', () => {
    expect(statisticsJson(found)).toMatchObject({
      type: 'stats',
      rows: 3,
      duplicates: 4,
      held_out: 1,
      examples: 3,
      tokens: 13,
      learned_tokens: 10,
      truncated_tokens: 2,
      truncated_stops: 1,
      lengths: { min: 3, median: 4, max: 6 },
      sources: [
        { format: 'instruct', columns: [{ name: 'id', read_as: null }, { read_as: 'input' }, { nulls: 1 }] },
      ],
    })
  })
})
