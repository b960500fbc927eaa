import { expect, test } from 'vitest'
import { allCandidates } from '../../src/generate/candidates.ts'
import type { Candidates } from '../../src/generate/candidates.ts'
import type { GenerateOptions } from '../../src/generate/index.ts'
import { readSettings } from '../../src/generate/options.ts'
import { chooseToken, decidingCount } from '../../src/generate/sample.ts'
import { createRandom } from '../../src/random.ts'

const seen = [3, 77, 150, 151, 299, 5000]

/** Logits of which some are equal, and the seen tokens among the highest. */
function makeLogits(seed: number): Float32Array {
  const random = createRandom(seed)
  const logits = Float32Array.from({ length: 300 }, () => Math.round(random() * 200) / 10 - 10)
  for (const id of seen) if (id < logits.length) logits[id] = 8 + random() * 3
  return logits
}

function largest(logits: Float32Array, count: number): Candidates {
  const smallest = logits.toSorted().at(-count) ?? -Infinity
  const ids = Int32Array.from(logits.keys()).filter((id) => logits[id] >= smallest)
  return { ids, scores: Float32Array.from(ids, (id) => logits[id]) }
}

const cases: GenerateOptions[] = [
  { doSample: true },
  { doSample: true, topK: 5, temperature: 0.7 },
  { doSample: true, topK: 5, topP: 0.9, repetitionPenalty: 1.3 },
  { doSample: true, topK: 20, minP: 0.05, temperature: 3, repetitionPenalty: 2 },
  { repetitionPenalty: 1.5 },
]

test.each(cases)('the largest logits decide the token that all of them would: %j', (options) => {
  const settings = readSettings({ seed: 1, ...options })
  const count = decidingCount(settings, seen.length) ?? 0
  expect(count).toBeGreaterThan(0)
  expect(count).toBeLessThan(60)
  const chosen = new Set<number>()
  for (let seed = 0; seed < 200; seed += 1) {
    const [one, other] = [createRandom(seed), createRandom(seed)]
    const expected = chooseToken(allCandidates(makeLogits(seed)), seen, settings, one)
    expect(chooseToken(largest(makeLogits(seed), count), seen, settings, other)).toBe(expected)
    chosen.add(expected)
  }
  expect(chosen.size).toBeGreaterThan(20)
})

test.each([{ doSample: true, topK: 0 }, { repetitionPenalty: 0.9 }])(
  'all logits are needed: %j',
  (options) => {
    expect(decidingCount(readSettings(options), 3)).toBeUndefined()
  },
)

test.each([Float32Array.of(), Float32Array.of(Number.NaN, 1)])('no numbers, no token: %o', (scores) => {
  const choose = () => chooseToken(allCandidates(scores), [], readSettings({}), () => 0)
  expect(choose).toThrow('logits: NaN or infinite logits; expected finite numbers')
})
