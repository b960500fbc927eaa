import { describe, expect, test } from 'vitest'
import { pack, type PackingStrategy } from '../../src/batch/index.ts'
import { golden } from './golden.ts'

test.each(golden.packing)(
  '$strategy fills the packs as TRL does',
  ({ strategy, seq_length, lengths, bin_pieces }) => {
    const packs = pack(lengths, seq_length, strategy)
    expect(
      packs.map((pieces) => pieces.map(({ example, start, length }) => [example, start, length])),
    ).toEqual(bin_pieces)
  },
)

describe('any lengths', () => {
  // Reference for best fit: the same rule, searched one by one.
  const slowBestFit = (lengths: number[], size: number) => {
    const bins: { space: number; since: number; examples: number[] }[] = []
    const order = lengths.map((_, i) => i).toSorted((a, b) => lengths[b] - lengths[a])
    let clock = 0
    for (const example of order) {
      const fitting = bins.filter(({ space }) => space >= lengths[example])
      const best = fitting.toSorted((a, b) => a.space - b.space || a.since - b.since)[0]
      const bin = best ?? { space: size, since: 0, examples: [] }
      if (best === undefined) bins.push(bin)
      bin.examples.push(example)
      bin.space -= lengths[example]
      bin.since = clock++
    }
    return bins.map(({ examples }) => examples)
  }
  test.each([1, 2, 3, 7, 64, 100])('best fit in packs of %i is the one that a slow search finds', (size) => {
    const lengths = Array.from({ length: 200 }, (_, i) => 1 + ((i * 7919 + i * i * 31) % size))
    const packs = pack(lengths, size).map((pieces) => pieces.map(({ example }) => example))
    expect(packs).toEqual(slowBestFit(lengths, size))
  })

  test.each<PackingStrategy>(['bfd', 'bfd_split', 'wrapped'])(
    '%s: no pack overflows, no token comes twice',
    (strategy) => {
      const lengths = [0, 5, 130, 64, 0, 1, 63, 64, 65, 128, 0]
      const packs = pack(lengths, 64, strategy)
      for (const pieces of packs)
        expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(64)
      const tokens = packs
        .flat()
        .flatMap(({ example, start, length }) => Array.from({ length }, (_, i) => `${example}:${start + i}`))
      expect(new Set(tokens).size).toBe(tokens.length)
      const expected = strategy === 'bfd' ? lengths.map((length) => Math.min(length, 64)) : lengths
      expect(tokens).toHaveLength(expected.reduce((sum, length) => sum + length, 0))
    },
  )

  test('a hundred thousand examples take less than a second', () => {
    const lengths = Array.from({ length: 100_000 }, (_, i) => 1 + ((i * 7919) % 1500))
    const started = performance.now()
    pack(lengths, 1024)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
