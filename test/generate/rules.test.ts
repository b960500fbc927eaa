import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  allCandidates,
  penaliseRepetition,
  probabilities,
  withoutTokens,
} from '../../src/generate/candidates.ts'
import type { GenerateOptions } from '../../src/generate/index.ts'
import { readSettings } from '../../src/generate/options.ts'
import { createRules } from '../../src/generate/rules.ts'
import type { SequenceSoFar } from '../../src/generate/rules.ts'
import { chooseToken, decidingCount, warp } from '../../src/generate/sample.ts'

interface Recorded {
  logits: number[]
  eos: number[]
  sequences: Record<string, SequenceSoFar>
  cases: { sequence: string; options: Record<string, never>; kept: number[]; probabilities: number[] }[]
}

const fixture = new URL('../fixtures/generate/rules.json', import.meta.url)
const recorded = JSON.parse(readFileSync(fixture, 'utf8')) as Recorded
const eos = new Set(recorded.eos)

/** Hugging Face's names as ours. */
function inCamelCase(options: object): GenerateOptions {
  const rename = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [rename(name), value as unknown]))
}

const cases = recorded.cases.map((one) => ({
  name: `${one.sequence} ${JSON.stringify(one.options)}`,
  ...one,
}))

test.each(cases)(
  'Hugging Face leaves the same tokens: $name',
  ({ sequence: name, options, kept, ...golden }) => {
    const sequence = recorded.sequences[name]
    const settings = readSettings({ doSample: true, ...inCamelCase(options) })
    const rule = createRules(settings, eos).next(sequence)
    const all = allCandidates(Float32Array.from(recorded.logits))
    penaliseRepetition(all, new Set(sequence.tokens), settings.repetitionPenalty)
    const forced = rule?.forced?.filter((id) => !rule.ruledOut.has(id))
    const left = forced
      ? { ids: Int32Array.from(forced), scores: new Float32Array(forced.length) }
      : withoutTokens(all, rule?.ruledOut ?? new Set())
    const candidates = left.ids.length === 0 ? left : warp(left, settings)
    expect([...candidates.ids]).toEqual(kept)
    const own = probabilities(candidates)
    golden.probabilities.forEach((probability, i) =>
      expect(Math.abs(own[i] - probability)).toBeLessThan(2e-6 * (0.01 + probability)),
    )
  },
)

test.each(cases)('the largest logits decide what all would: $name', ({ sequence: name, options, kept }) => {
  if (kept.length === 0) return
  const { tokens, ...sequence } = recorded.sequences[name]
  const settings = readSettings({ ...inCamelCase(options) })
  const rule = createRules(settings, eos).next({ tokens, ...sequence })
  const seen = new Set(tokens)
  const choose = (candidates: ReturnType<typeof allCandidates>) =>
    chooseToken(candidates, seen, settings, () => 0, rule)
  const all = allCandidates(Float32Array.from(recorded.logits))
  const count = decidingCount(settings, seen.size, rule?.ruledOut.size) ?? all.ids.length
  const smallest = all.scores.toSorted().at(-count) ?? -Infinity
  const ids = all.ids.filter((id) => recorded.logits[id] >= smallest)
  const largest = { ids, scores: Float32Array.from(ids, (id) => recorded.logits[id]) }
  expect(choose(largest)).toBe(choose(all))
})

test('rules that cannot act any more are over', () => {
  const rulesOf = (options: GenerateOptions) => createRules(readSettings(options), eos)
  const at = (options: GenerateOptions, newTokens: number) =>
    rulesOf(options).areOver({ promptLength: 4 }, newTokens)
  expect(at({}, 0)).toBe(true)
  expect([at({ minNewTokens: 2 }, 1), at({ minNewTokens: 2 }, 2)]).toEqual([false, true])
  expect([at({ minLength: 6 }, 1), at({ minLength: 6 }, 2)]).toEqual([false, true])
  expect([at({ beginSuppressTokens: [1] }, 0), at({ beginSuppressTokens: [1] }, 1)]).toEqual([false, true])
  for (const options of [
    { suppressTokens: [1] },
    { badWordsIds: [[1, 2]] },
    { noRepeatNgramSize: 2 },
    { forcedEosTokenId: 2 },
  ])
    expect(at(options, 99)).toBe(false)
})

test('a rule that leaves no token says so', () => {
  const settings = readSettings({ suppressTokens: [0, 1] })
  const rule = createRules(settings, new Set()).next({ tokens: [1], promptLength: 1, room: 3 })
  expect(() => chooseToken(allCandidates(Float32Array.of(1, 2)), [], settings, () => 0, rule)).toThrow(
    'logits: every token is ruled out; expected one that may come. Loosen suppressTokens, badWordsIds',
  )
})
