import { describe, expect, it } from 'vitest'
import { dropoutKeeps } from '../../src/engine/dropout.ts'
import { engines } from './engines.ts'
import type { Act, AnyCase } from './run-case.ts'
import { runForward } from './run-case.ts'

const count = 100_000

/** Mask of the first elements, 1 = kept. */
function mask(p: number, seed = 42, segment = 0): number[] {
  const threshold = Math.floor(p * 2 ** 32)
  return Array.from({ length: count }, (_, element) =>
    Number(dropoutKeeps(seed, segment, element, threshold)),
  )
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Correlation of two masks of the same p. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)]
  return mean(a.map((x, i) => (x - meanA) * (b[i] - meanB))) / (meanA * (1 - meanA))
}

describe('the mask', () => {
  it.each([0.01, 0.1, 0.3, 0.5, 0.9])('drops a share of %d', (p) => {
    const deviation = Math.sqrt((p * (1 - p)) / count)
    expect(Math.abs(mean(mask(p)) - (1 - p))).toBeLessThan(4 * deviation)
  })

  it('keeps everything at p = 0', () => {
    expect(mean(mask(0))).toBe(1)
  })

  it('is the same for the same seed', () => {
    expect(mask(0.5)).toEqual(mask(0.5))
  })

  const base = mask(0.5)
  it.each([
    ['another seed', mask(0.5, 43)],
    ['the next seed after a large one', mask(0.5, 1_000_043)],
    ['another segment', mask(0.5, 42, 1)],
    ['the element to the right', [...base.slice(1), base[0]]],
    ['the element below in a matrix of 576 columns', [...base.slice(576), ...base.slice(0, 576)]],
    ['the element below in a matrix of 1,024 columns', [...base.slice(1024), ...base.slice(0, 1024)]],
  ])('has nothing to do with that of %s', (_, other) => {
    expect(Math.abs(correlation(base, other))).toBeLessThan(4 / Math.sqrt(count))
  })
})

describe.each(engines)('$name', ({ create }) => {
  it.each<[Act, number]>([
    ['float32', 1],
    ['float32', 2],
    ['bfloat16', 1],
    ['bfloat16', 2],
  ])('draws exactly this mask, %s, %i threads', async (act, threads) => {
    // With x = 1 and A the identity, t is the mask over 1 − p: 0 or 2.
    const [M, K, seed] = [203, 16, -5]
    const identity = Float32Array.from({ length: 2 * K * K }, (_, i) => Number((i % (K * K)) % (K + 1) === 0))
    const zeros = new Float32Array(8 * K)
    const testCase: AnyCase = {
      op: 'linear',
      name: 'mask',
      inputs: {
        x: { role: 'act', shape: [M, K], data: new Float32Array(M * K).fill(1) },
        weight: { role: 'act', shape: [8, K], data: zeros },
        loraA: { role: 'float32', shape: [2 * K, K], data: identity },
        loraB: { role: 'float32', shape: [8, K], data: zeros },
      },
      outputs: { y: { role: 'act', shape: [M, 8] }, t: { role: 'act', shape: [M, 2 * K] } },
      attributes: { float32Output: 0, dropout: 0.5, seed, int8Activations: 0, segments: [4, K, 1, 4, K, 1] },
    }
    const t = (await runForward(create(threads), testCase, act)).get('t') ?? []
    const expected = Float32Array.from(t, (_, i) => {
      const [row, column] = [Math.floor(i / (2 * K)), i % (2 * K)]
      const element = row * K + (column % K)
      return dropoutKeeps(seed, column < K ? 0 : 1, element, 2 ** 31) ? 2 : 0
    })
    expect(expected.length).toBe(M * 2 * K)
    expect(t).toEqual(expected)
  })
})
