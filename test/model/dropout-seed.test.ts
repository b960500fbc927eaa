import { describe, expect, it } from 'vitest'
import { dropoutSeedOf } from '../../src/model/passes/dropout-seed.ts'

const seedsOf = (seed: number, passes: number, places: number) =>
  Array.from({ length: passes }, (_, pass) => dropoutSeedOf({ seed, pass }, places))

describe('the dropout seeds of passes', () => {
  // With so many places all blocks can be counted: 2³² / 2^a of them.
  it.each([
    { places: 2 ** 20, blocks: 2 ** 12 },
    { places: 2 ** 20 - 5, blocks: 2 ** 12 },
    { places: 2 ** 15, blocks: 2 ** 17 },
    { places: 2 ** 17, blocks: 2 ** 15 },
  ])(
    '$places places: $blocks passes have blocks of their own, and then all are taken',
    ({ places, blocks }) => {
      const size = 2 ** 32 / blocks
      expect(size).toBeGreaterThanOrEqual(places)
      for (const seed of [0, 1, 42, 0xffffffff]) {
        const seeds = seedsOf(seed, blocks, places)
        expect(seeds.every((value) => value % size === 0 && value < 2 ** 32)).toBe(true)
        expect(new Set(seeds).size).toBe(blocks)
      }
    },
  )

  it('does not repeat in a long run of 30 layers', () => {
    expect(new Set(seedsOf(42, 200_000, 120)).size).toBe(200_000)
  })

  it('runs of other seeds are no part of it moved along', () => {
    const passes = 2000
    const first = new Map(seedsOf(42, passes, 120).map((value, pass) => [value, pass]))
    for (const seed of [0, 1, 41, 43, 65_579, 42 + 2 ** 31]) {
      const shifts = new Map<number, number>()
      seedsOf(seed, passes, 120).forEach((value, pass) => {
        const other = first.get(value)
        if (other !== undefined) shifts.set(pass - other, (shifts.get(pass - other) ?? 0) + 1)
      })
      // Of 2²⁵ blocks 2,000 are taken by each: by chance they share 0.1.
      expect(Math.max(0, ...shifts.values())).toBeLessThan(3)
    }
  })
})
