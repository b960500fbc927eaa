import { FettleError } from '../error.ts'
import {
  allCandidates,
  keepMinP,
  keepTopK,
  keepTopP,
  penaliseRepetition,
  probabilities,
} from './candidates.ts'
import type { Candidates } from './candidates.ts'
import type { Settings } from './options.ts'

/** Temperature, top-k, top-p and min-p, in Hugging Face's order: each works on what the one before left. */
export function warp(
  logits: Float32Array,
  { temperature, topK, topP, minP }: Pick<Settings, 'temperature' | 'topK' | 'topP' | 'minP'>,
): Candidates {
  if (temperature !== 1) for (let i = 0; i < logits.length; i += 1) logits[i] /= temperature
  let candidates = allCandidates(logits)
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
 * The next token of a sequence.
 *
 * @param logits [vocabulary], changed in place
 * @param seen tokens of prompt and answer, for the repetition penalty
 */
export function chooseToken(
  logits: Float32Array,
  seen: Iterable<number>,
  settings: Settings,
  random: () => number,
): number {
  if (settings.repetitionPenalty !== 1) penaliseRepetition(logits, seen, settings.repetitionPenalty)
  return settings.doSample ? draw(warp(logits, settings), random()) : mostLikely(logits)
}

/** Index of the highest logit, the first of equals. */
function mostLikely(logits: Float32Array): number {
  let best = 0
  for (let i = 1; i < logits.length; i += 1) if (logits[i] > logits[best]) best = i
  return best
}

/**
 * @throws FettleError when the model computed no numbers, from which no token can be chosen
 */
export function checkLogits(logits: Float32Array): void {
  // One NaN in the hidden state makes all logits NaN, so the first stands for all.
  if (Number.isNaN(logits[0]))
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
