import { FettleError } from '../error.ts'
import { keepMinP, keepTopK, keepTopP, penaliseRepetition, probabilities } from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { Settings } from './options.ts'

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
 * How many of the largest logits decide the next token, `seen` tokens being penalised; undefined where all do.
 * A penalty above 1 lowers logits, so at most `seen` of the first `topK + seen` can leave the first `topK`.
 */
export function decidingCount(
  { doSample, topK, repetitionPenalty }: Settings,
  seen: number,
): number | undefined {
  if ((doSample && topK === 0) || repetitionPenalty < 1) return undefined
  return (doSample ? topK : 1) + (repetitionPenalty > 1 ? seen : 0)
}

/**
 * The next token of a sequence.
 *
 * @param candidates all tokens that can be chosen, their scores the logits; changed in place
 * @param seen tokens of prompt and answer, for the repetition penalty
 * @throws FettleError when the model computed no numbers, from which no token can be chosen
 */
export function chooseToken(
  candidates: Candidates,
  seen: Iterable<number>,
  settings: Settings,
  random: () => number,
): number {
  checkScores(candidates)
  if (settings.repetitionPenalty !== 1) penaliseRepetition(candidates, seen, settings.repetitionPenalty)
  return settings.doSample ? draw(warp(candidates, settings), random()) : mostLikely(candidates)
}

/** The candidate with the highest score, the first of equals. */
function mostLikely({ ids, scores }: Candidates): number {
  let best = 0
  for (let i = 1; i < ids.length; i += 1) if (scores[i] > scores[best]) best = i
  return ids[best]
}

function checkScores({ scores }: Candidates): void {
  // One NaN in the hidden state makes all logits NaN, so the first stands for all; no NaN is among the largest.
  if (scores.length === 0 || Number.isNaN(scores[0]))
    throw new FettleError(
      {
        place: 'logits',
        found: 'NaN',
        expected: 'numbers',
        cure: 'The weights hold NaN or overflow in this dtype: try float32, or look at the files with fettle doctor.',
      },
      { exitCode: 1 },
    )
}
