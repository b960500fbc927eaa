import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allCandidates, penaliseRepetition, probabilities } from '../../src/generate/candidates.ts'
import type { GenerateOptions } from '../../src/generate/index.ts'
import { readSettings } from '../../src/generate/options.ts'
import { draw, warp } from '../../src/generate/sample.ts'
import { createRandom } from '../../src/random.ts'

interface Recorded {
  logits: Record<string, number[]>
  seen: Record<string, number[]>
  cases: {
    logits: string
    options: Record<string, number>
    kept: number[] | 'all'
    probabilities: number[]
  }[]
}

const fixture = new URL('../fixtures/generate/processors.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Recorded

/** Hugging Face's names as ours. */
function inCamelCase(options: Record<string, number>): GenerateOptions {
  const rename = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [rename(name), value]))
}

const cases = recorded.cases.map((one) => ({ name: `${one.logits} ${JSON.stringify(one.options)}`, ...one }))

test.each(cases)(
  'Hugging Face keeps the same tokens: $name',
  ({ logits: name, options, kept, probabilities: golden }) => {
    const settings = readSettings({ doSample: true, ...inCamelCase(options) })
    const logits = Float32Array.from(recorded.logits[name])
    const all = allCandidates(logits)
    penaliseRepetition(all, new Set(recorded.seen[name]), settings.repetitionPenalty)
    const candidates = warp(all, settings)
    expect([...candidates.ids]).toEqual(kept === 'all' ? recorded.logits[name].map((_, id) => id) : kept)
    const own = probabilities(candidates)
    golden.forEach((probability, i) =>
      expect(Math.abs(own[i] - probability)).toBeLessThan(2e-6 * (0.01 + probability)),
    )
  },
)

test('draws follow the probabilities', () => {
  const candidates = { ids: Int32Array.of(7, 2, 9), scores: Float32Array.from([0.5, 0.3, 0.2], Math.log) }
  const random = createRandom(5)
  const counts = new Map<number, number>()
  for (let i = 0; i < 20_000; i += 1) {
    const id = draw(candidates, random())
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  expect((counts.get(7) ?? 0) / 20_000).toBeCloseTo(0.5, 1)
  expect((counts.get(2) ?? 0) / 20_000).toBeCloseTo(0.3, 1)
  expect((counts.get(9) ?? 0) / 20_000).toBeCloseTo(0.2, 1)
})

test('a random number just under 1 draws a token that has some probability', () => {
  const candidates = { ids: Int32Array.of(4, 5), scores: Float32Array.of(0, -Infinity) }
  expect(draw(candidates, 1 - 2 ** -32)).toBe(4)
})
