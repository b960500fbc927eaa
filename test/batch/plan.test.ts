import { describe, expect, test } from 'vitest'
import { planEpoch, shuffledOrder, type EpochOptions } from '../../src/batch/index.ts'

const lengths = Array.from({ length: 103 }, (_, i) => 1 + ((i * 37) % 50))
const options: EpochOptions = {
  lengths,
  seed: 42,
  epoch: 0,
  shuffle: true,
  packing: true,
  maxLength: 64,
  perDeviceBatchSize: 2,
  gradientAccumulation: 3,
}
const allSteps = (given: EpochOptions) => {
  const plan = planEpoch(given)
  return Array.from({ length: plan.steps }, (_, i) => plan.step(i))
}
const examplesOf = (given: EpochOptions) =>
  allSteps(given)
    .flat(2)
    .map(({ example }) => example)

describe('an epoch', () => {
  test.each([
    { packing: true, shuffle: true },
    { packing: true, shuffle: false },
    { packing: false, shuffle: true },
    { packing: 'bfd_split' as const, shuffle: true },
  ])('shows every example once: $packing, shuffle $shuffle', (changes) => {
    const examples = examplesOf({ ...options, ...changes })
    expect(examples.toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i))
  })

  test('is the same when planned again, and another for another seed or epoch', () => {
    const order = examplesOf(options)
    expect(examplesOf(options)).toEqual(order)
    expect(examplesOf({ ...options, epoch: 1 })).not.toEqual(order)
    expect(examplesOf({ ...options, seed: 43 })).not.toEqual(order)
  })

  test.each([{ packing: true }, { packing: false }, { packing: 'wrapped' as const }])(
    'of more examples than are packed at once goes window by window: $packing',
    (changes) => {
      const given = { ...options, ...changes, windowSize: 40 }
      const examples = examplesOf(given)
      const seen = [...new Set(examples)]
      expect(seen.toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i))
      // Three windows of 35 neighbours at most, one behind the other.
      const windows = seen.map((example) => Math.floor(example / 35))
      expect(windows.filter((window, i) => i > 0 && window !== windows[i - 1])).toHaveLength(2)
      expect(examplesOf(given)).toEqual(examples)
      expect(examplesOf({ ...given, epoch: 1 })).not.toEqual(examples)
      // A step that is asked for again, or out of order, is the same.
      const plan = planEpoch(given)
      const last = plan.step(plan.steps - 1)
      expect(plan.step(0)).toEqual(planEpoch(given).step(0))
      expect(plan.step(plan.steps - 1)).toEqual(last)
    },
  )

  test('without shuffling and packing keeps the order of the file', () => {
    expect(examplesOf({ ...options, shuffle: false, packing: false })).toEqual(lengths.map((_, i) => i))
  })

  test('groups rows into micro-batches and steps; the last may be smaller', () => {
    const steps = allSteps({ ...options, packing: false })
    expect(steps).toHaveLength(Math.ceil(103 / 6))
    expect(steps[0].map((batch) => batch.length)).toEqual([2, 2, 2])
    expect(steps.at(-1)?.map((batch) => batch.length)).toEqual([1])
  })

  test('mixes packs, so that long examples do not all come first', () => {
    const first = allSteps(options)[0]
      .flat()
      .map(({ length }) => length)
    expect(Math.min(...first)).toBeLessThan(20)
  })

  test('knows its size', () => {
    const plan = planEpoch(options)
    const total = lengths.reduce((sum, length) => sum + length, 0)
    expect(plan.tokens).toBe(total)
    expect(plan.fill).toBeCloseTo(total / (plan.rows * 64))
    expect(plan.fill).toBeGreaterThan(0.9)
    expect(() => plan.step(plan.steps)).toThrow(RangeError)
    expect(planEpoch({ ...options, lengths: [] })).toMatchObject({ steps: 0, rows: 0, fill: 0 })
  })

  test('cuts an example that is longer than a row', () => {
    const pieces = allSteps({ ...options, lengths: [100, 3], packing: false, shuffle: false }).flat(2)
    expect(pieces).toEqual([
      { example: 0, start: 0, length: 64 },
      { example: 1, start: 0, length: 3 },
    ])
  })
})

describe('the shuffle', () => {
  test('is fair: each place sees each item about equally often', () => {
    const counts = Array.from({ length: 10 }, () => new Int32Array(10))
    for (let stream = 0; stream < 20_000; stream++)
      shuffledOrder(10, 7, stream).forEach((item, at) => counts[at][item]++)
    // 2000 expected, standard deviation 42: 6 of them.
    for (const row of counts) for (const count of row) expect(Math.abs(count - 2000)).toBeLessThan(260)
  })

  test('stays what it is: a resumed run depends on it', () => {
    expect([...shuffledOrder(8, 42, 0)]).toEqual([2, 7, 1, 6, 3, 4, 0, 5])
  })
})
