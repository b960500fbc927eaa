import { likelihoodPairs, type PlainAnswer } from './likelihood-pairs.ts'
import { logSigmoid, sigmoid } from './log-sigmoid.ts'
import type { Objective } from './objective.ts'

/**
 * Odds ratio preference optimisation: NLL of prompt and chosen answer − β · mean of log σ(log odds), where with p the mean log-probability
 * of an answer's tokens log odds = p_c − p_r − (log(1 − e^p_c) − log(1 − e^p_r)).
 * Source: Hong et al. 2024, https://arxiv.org/abs/2403.07691
 */
export function orpo(beta: number): Objective<PlainAnswer> {
  return likelihoodPairs({
    name: 'orpo',
    averages: true,
    nllWeight: 1,
    lossOf({ chosen, rejected }) {
      const odds = chosen - rejected - (log1mExp(chosen) - log1mExp(rejected))
      // d log(1 − e^p) / dp = −e^p / (1 − e^p) = 1 / (1 − e^−p), so the odds rise by 1 / (1 − e^p) with p.
      const slope = -beta * sigmoid(-odds)
      const ratio = logSigmoid(odds)
      return {
        loss: -beta * ratio,
        chosen: slope / -Math.expm1(chosen),
        rejected: -slope / -Math.expm1(rejected),
        rewards: { chosen: beta * chosen, rejected: beta * rejected },
        metrics: { log_odds_ratio: ratio, log_odds_chosen: odds },
      }
    },
  })
}

/** log(1 − e^x) for x < 0. */
function log1mExp(x: number): number {
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x))
}
