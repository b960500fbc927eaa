import { FettleError } from '../error.ts'
import {
  keepMinP,
  keepTopK,
  keepTopP,
  penaliseRepetition,
  probabilities,
  withoutTokens,
} from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { Settings } from './options.ts'
import type { NextRule } from './rules.ts'

/** Temperature, top-k, top-p and min-p, in Hugging Face's order: each works on what the one before left. */
export function warp(
  candidates: Candidates,
  { temperature, topK, topP, minP }: Pick<Settings, 'temperature' | 'topK' | 'topP' | 'minP'>,
): Candidates {
  const { scores } = candidates
  if (temperature !== 1) for (let i = 0; i < scores.length; i += 1) scores[i] /= temperature
  if (topK > 0) candidates = keepTopK(candidates, topK)
  if (topP < 1) candidates = keepTopP(candidates, topP)
  return minP > 0 ? keepMinP(candidates, minP) : candidates
}

/** Draws a candidate: the first whose cumulative probability exceeds `random` from [0, 1). */
export function draw(candidates: Candidates, random: number): number {
  const weights = probabilities(candidates)
  let sum = 0
  for (let i = 0; i < weights.length; i += 1) {
    sum += weights[i]
    if (random < sum) return candidates.ids[i]
  }
  // Rounding left the sum a little under 1: the last one that has any weight.
  return candidates.ids[weights.findLastIndex((weight) => weight > 0)]
}

/**
 * How many of the largest logits decide the next token, `seen` tokens being penalised and `ruledOut` left out; undefined where
 * all do. A penalty above 1 lowers logits, so at most `seen` of the first `topK + seen` can leave the first `topK`.
 */
export function decidingCount(
  { doSample, topK, repetitionPenalty }: Pick<Settings, 'doSample' | 'topK' | 'repetitionPenalty'>,
  seen: number,
  ruledOut = 0,
): number | undefined {
  if ((doSample && topK === 0) || repetitionPenalty < 1) return undefined
  return (doSample ? topK : 1) + (repetitionPenalty > 1 ? seen : 0) + ruledOut
}

/**
 * The next token of a sequence.
 *
 * @param candidates all tokens that can be chosen, their scores the logits; changed in place
 * @param seen tokens of prompt and answer, for the repetition penalty
 * @param rule what else decides
 * @param place whose logits these are, for messages
 * @throws FettleError when the model computed no numbers, or rules leave no token: then none can be chosen
 */
export function chooseToken(
  candidates: Candidates,
  seen: Iterable<number>,
  settings: Settings,
  random: () => number,
  rule: NextRule | null = null,
  place = 'logits',
): number {
  if (!areNumbers(candidates)) throw unusableLogits(place)
  if (settings.repetitionPenalty !== 1) penaliseRepetition(candidates, seen, settings.repetitionPenalty)
  const left = rule === null ? candidates : allowedCandidates(candidates, rule)
  if (left.ids.length === 0)
    throw new FettleError({
      place,
      found: 'every token is ruled out',
      expected: 'one that may come',
      cure: 'Loosen suppressTokens, badWordsIds or noRepeatNgramSize.',
    })
  return settings.doSample ? draw(warp(left, settings), random()) : mostLikely(left)
}

/** The candidates that a rule allows; forced ones all alike. */
function allowedCandidates(candidates: Candidates, { ruledOut, forced }: NextRule): Candidates {
  if (forced === null) return withoutTokens(candidates, ruledOut)
  const ids = Int32Array.from(forced.filter((id) => !ruledOut.has(id)))
  return { ids, scores: new Float32Array(ids.length) }
}

/** The candidate with the highest score, the first of equals. */
function mostLikely({ ids, scores }: Candidates): number {
  let best = 0
  for (let i = 1; i < ids.length; i += 1) if (scores[i] > scores[best]) best = i
  return ids[best]
}

/** Whether a token can be chosen by these scores: none is NaN, and the largest is finite. */
function areNumbers({ scores }: Candidates): boolean {
  let largest = -Infinity
  for (let i = 0; i < scores.length; i += 1) {
    const score = scores[i]
    if (score > largest) largest = score
    else if (Number.isNaN(score)) return false
  }
  return Number.isFinite(largest)
}

/** What is wrong where a model computed no numbers. */
export function unusableLogits(place: string): FettleError {
  return new FettleError(
    {
      place,
      found: 'NaN or infinite logits',
      expected: 'finite numbers, to choose a token by',
      cure: 'The weights hold NaN or overflow in this dtype: look at the files with fettle doctor, or try --dtype float32.',
    },
    { exitCode: 1 },
  )
}
