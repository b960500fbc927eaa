import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { interleave, type StoppingStrategy } from '../../../src/data/mix/interleave.ts'
import { createNumpyRandom } from '../../../src/data/mix/numpy-random.ts'
import { shuffleBuffer } from '../../../src/data/mix/shuffle-buffer.ts'
import { collect } from '../rows.ts'

/** What datasets made of the same, by record_mixing.py. */
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/mixing.json'), 'utf8')) as {
  numbers: { seed: number; doubles: number[]; permutations: number[][]; last: number }[]
  mixtures: {
    lengths: number[]
    weights: number[]
    seed: number
    strategy: StoppingStrategy
    items: number[]
  }[]
  shuffles: { count: number; size: number; seed: number; items: number[] }[]
}

test.each(golden.numbers)("numpy's random numbers of seed $seed", ({ seed, doubles, permutations, last }) => {
  const random = createNumpyRandom(seed)
  expect(doubles.map(() => random.double())).toEqual(doubles)
  expect(permutations.map(({ length }) => [...random.permutation(length)])).toEqual(permutations)
  expect(random.double()).toBe(last)
})

async function* itemsOf(source: number, length: number): AsyncGenerator<number> {
  for (let i = 0; i < length; i += 1) yield 100 * source + i
}

describe('sources are mixed as datasets mixes them', () => {
  test.each(golden.mixtures)(
    '$lengths by $weights, seed $seed, $strategy',
    async ({ lengths, weights, seed, strategy, items }) => {
      const open = (source: number) => itemsOf(source, lengths[source])
      const mixed = interleave(open, { weights, seed, stoppingStrategy: strategy })
      expect(await collect(mixed)).toEqual(items)
    },
  )

  test('each as often as its weight says, and the others are closed when one ends', async () => {
    const drawn = [0, 0, 0]
    const closed: number[] = []
    async function* endless(source: number) {
      try {
        for (let i = 0; source < 2 || i < 1000; i += 1) yield source
      } finally {
        closed.push(source)
      }
    }
    const weights = [5, 3, 2]
    for await (const source of interleave(endless, {
      weights,
      seed: 11,
      stoppingStrategy: 'first_exhausted',
    }))
      drawn[source] += 1
    expect(drawn[2]).toBe(1000)
    // Within four standard deviations of the binomial distribution: √(5000 · 0.5 · 0.5) = 35.
    expect(Math.abs(drawn[0] - 2500)).toBeLessThan(200)
    expect(Math.abs(drawn[1] - 1500)).toBeLessThan(200)
    expect(closed.toSorted()).toEqual([0, 1, 2])
  })
})

describe('a stream is shuffled as IterableDataset.shuffle does', () => {
  test.each(golden.shuffles)(
    '$count rows, a buffer of $size, seed $seed',
    async ({ count, size, seed, items }) => {
      expect(await collect(shuffleBuffer(itemsOf(0, count), size, seed))).toEqual(items)
    },
  )
})
