import { expect, describe, test } from 'vitest'
import { createColumnStatistics, createLengthCounts } from '../../src/data/index.ts'
import { JsonFloat } from '../../src/formats/json/index.ts'
import { createRandom } from '../../src/random.ts'

describe('lengths', () => {
  test.each([
    ['few', 7, 50],
    ['many short', 1001, 4000],
    ['many long', 5000, 300_000],
  ])('%s: lowest, median and highest', (_, number, most) => {
    const random = createRandom(number)
    const values = Array.from({ length: number }, () => Math.floor(random() * most))
    const lengths = createLengthCounts()
    for (const value of values) lengths.add(value)
    const sorted = values.toSorted((a, b) => a - b)
    const median = sorted[Math.ceil(number / 2) - 1]
    expect(lengths).toMatchObject({ count: number, min: sorted[0], max: sorted[number - 1] })
    expect(lengths.quantile(0.5)).toBeLessThanOrEqual(median)
    expect(lengths.quantile(0.5)).toBeGreaterThanOrEqual(median < 4096 ? median : median * 0.984)
    expect(lengths.between(0, 4000)).toBe(values.filter((value) => value < 4000).length)
  })

  test('of nothing', () => {
    expect(createLengthCounts()).toMatchObject({ count: 0, min: 0, max: 0 })
    expect(createLengthCounts().quantile(0.5)).toBe(0)
  })
})

describe('columns', () => {
  const statisticsOf = (rows: Record<string, unknown>[]) => {
    const statistics = createColumnStatistics()
    for (const row of rows) statistics.add(row)
    return statistics
  }

  test('say kinds, nulls, different values, lengths and an example', () => {
    const rows = [
      { a: null, b: 1, c: [1, 2], d: 'ab' },
      { a: true, b: new JsonFloat(1), c: [], d: 'abcd' },
      { b: 12345678901234567890n, c: { x: 1 }, d: 'ab' },
    ]
    expect(statisticsOf(rows).columns()).toEqual([
      { name: 'a', kinds: { boolean: 1 }, nulls: 2, distinct: 1, isMore: false, example: 'true' },
      { name: 'b', kinds: { integer: 2, number: 1 }, nulls: 0, distinct: 3, isMore: false, example: '1' },
      {
        name: 'c',
        kinds: { list: 2, object: 1 },
        nulls: 0,
        distinct: 3,
        isMore: false,
        lengths: { unit: 'items', min: 0, median: 0, max: 2 },
        example: '[1, 2]',
      },
      {
        name: 'd',
        kinds: { text: 3 },
        nulls: 0,
        distinct: 2,
        isMore: false,
        lengths: { unit: 'characters', min: 2, median: 2, max: 4 },
        example: '"ab"',
      },
    ])
  })

  test('count different values up to a bound', () => {
    const of = (count: number) =>
      statisticsOf(Array.from({ length: 2 * count }, (_, i) => ({ a: `x${i % count}` }))).columns()[0]
    expect(of(1000)).toMatchObject({ distinct: 1000, isMore: false })
    expect(of(1001)).toMatchObject({ distinct: 1000, isMore: true })
  })

  test('are looked at up to a bound, and no more than 200 characters of a value are kept', () => {
    const wide = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`c${i}`, 'y'.repeat(10_000)]))
    const statistics = statisticsOf([wide, wide])
    expect(statistics.columns()).toHaveLength(200)
    expect(statistics.leftOut).toBe(50)
    expect(statistics.columns()[0].example.length).toBeLessThanOrEqual(200)
  })
})
