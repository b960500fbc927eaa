import { fDivergences } from './f-divergences.ts'
import { logSigmoid, sigmoid } from './log-sigmoid.ts'
import type { TokenRange } from './micro-batches.ts'
import { pairLosses } from './pair-losses.ts'

/** The losses of DPO by TRL's names. */
export type DpoLoss = keyof typeof pairLosses | 'aot' | 'aot_unpaired' | 'sft'

/** What DPO's loss follows from, by TRL's names. */
export interface DpoOptions {
  /** Losses, whose sum weighted by `lossWeights` is the loss. */
  lossType: readonly DpoLoss[]
  lossWeights: readonly number[]
  beta: number
  labelSmoothing: number
  discopopTau: number
  /** LD-DPO: what tokens of an answer beyond the length of the shorter one count; absent: 1. */
  ldAlpha?: number | undefined
  fDivergenceType: keyof typeof fDivergences
  fAlphaDivergenceCoef: number
  /** WPO: weighs pairs by how likely the model would have said the answers. */
  useWeighting: boolean
}

/** An answer of a pair. */
interface AnswerSum {
  /** Its learned tokens, and from which one on it is longer than the other answer. */
  range: TokenRange
  tail: number
  /** Its tokens. */
  length: number
  /** Σ log π and Σ log π_ref, as `ldAlpha` weighs tokens; and the first without that. */
  logProb: number
  reference: number
  plainLogProb: number
  /** Mean over its tokens of log p − log Σ p², where pairs are weighed. */
  certainty?: number
}

/** Both answers of a pair. */
export interface PairSums {
  chosen: AnswerSum
  rejected: AnswerSum
}

/** How a pair's part of the loss changes with the log-ratios of its answers, and with log π of each chosen token. */
interface PairTerm {
  chosen: number
  rejected: number
  chosenToken: number
}

/**
 * The part of a micro-batch's loss that these pairs are, and its slopes.
 *
 * @param all  of the micro-batch, over which the loss is a mean
 */
export function pairTerms(
  sums: readonly PairSums[],
  options: DpoOptions,
  all: { pairs: number; chosenTokens: number },
): { loss: number; terms: PairTerm[] } {
  const ratios = sums.map(({ chosen, rejected }) => ({
    chosen: chosen.logProb - chosen.reference,
    rejected: rejected.logProb - rejected.reference,
  }))
  // Constants of the gradient, as in the paper.
  const weighing = sums.map(({ chosen, rejected }) =>
    options.useWeighting ? Math.exp((chosen.certainty ?? 0) + (rejected.certainty ?? 0)) : 1,
  )
  const terms = sums.map((): PairTerm => ({ chosen: 0, rejected: 0, chosenToken: 0 }))
  let loss = 0
  options.lossType.forEach((name, index) => {
    const share = options.lossWeights[index] / all.pairs
    if (name === 'sft') {
      const nll = -sums.reduce((sum, { chosen }) => sum + chosen.plainLogProb, 0) / all.chosenTokens
      const factor = options.useWeighting
        ? share * weighing.reduce((sum, weight) => sum + weight, 0)
        : options.lossWeights[index]
      loss += factor * nll
      for (const term of terms) term.chosenToken -= factor / all.chosenTokens
      return
    }
    const made =
      name === 'aot' || name === 'aot_unpaired' ? sortedLosses(name, sums, options) : ownLosses(name)
    made.forEach((pair, i) => {
      const factor = share * weighing[i]
      loss += factor * pair.loss
      terms[i].chosen += factor * pair.chosen
      terms[i].rejected += factor * pair.rejected
    })
  })
  return { loss, terms }

  function ownLosses(name: keyof typeof pairLosses) {
    const { at, scores } = pairLosses[name]
    return sums.map(({ chosen, rejected }, i) => {
      const divergence = fDivergences[scores ? options.fDivergenceType : 'reverse_kl']
      const c = divergence(ratios[i].chosen, options.fAlphaDivergenceCoef)
      const r = divergence(ratios[i].rejected, options.fAlphaDivergenceCoef)
      const lengths = { chosenLength: chosen.length, rejectedLength: rejected.length }
      const made = at({ chosen: c.score, rejected: r.score, ...lengths }, options)
      return { loss: made.loss, chosen: made.chosen * c.slope, rejected: made.rejected * r.slope }
    })
  }
}

/**
 * Alignment by optimal transport: the loss sigmoid of what the sorted values of a micro-batch differ by. `aot` sorts what π and
 * π_ref say of chosen less rejected, `aot_unpaired` the log-ratios of chosen and of rejected answers.
 * Source: Melnyk et al. 2024, https://arxiv.org/abs/2406.05882
 */
function sortedLosses(
  name: 'aot' | 'aot_unpaired',
  sums: readonly PairSums[],
  { beta, labelSmoothing }: DpoOptions,
) {
  const [raised, lowered] =
    name === 'aot'
      ? [
          sums.map(({ chosen, rejected }) => chosen.logProb - rejected.logProb),
          sums.map(({ chosen, rejected }) => chosen.reference - rejected.reference),
        ]
      : [
          sums.map(({ chosen }) => chosen.logProb - chosen.reference),
          sums.map(({ rejected }) => rejected.logProb - rejected.reference),
        ]
  const order = (values: readonly number[]) =>
    values.map((_, i) => i).toSorted((a, b) => values[a] - values[b])
  const [up, down] = [order(raised), order(lowered)]
  const made = sums.map(() => ({ loss: 0, chosen: 0, rejected: 0 }))
  up.forEach((pair, rank) => {
    const z = beta * (raised[pair] - lowered[down[rank]])
    const slope = beta * (labelSmoothing * sigmoid(z) - (1 - labelSmoothing) * sigmoid(-z))
    made[pair].loss = -(1 - labelSmoothing) * logSigmoid(z) - labelSmoothing * logSigmoid(-z)
    made[pair].chosen = slope
    if (name === 'aot') made[pair].rejected = -slope
    else made[down[rank]].rejected = -slope
  })
  return made
}
