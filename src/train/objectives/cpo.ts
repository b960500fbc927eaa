import { likelihoodPairs, type LikelihoodLoss, type PlainAnswer } from './likelihood-pairs.ts'
import { logSigmoid, sigmoid } from './log-sigmoid.ts'
import type { Objective } from './objective.ts'

/** What CPO's loss follows from, by TRL's names. */
export interface CpoOptions {
  lossType: 'sigmoid' | 'hinge' | 'ipo' | 'simpo'
  beta: number
  labelSmoothing: number
  /** Weight of −log π of the chosen answers. */
  cpoAlpha: number
  /** SimPO's margin. */
  simpoGamma: number
  /** AlphaPO: rewards are (1 − p^−α) / α; 0: log p. */
  alpha: number
}

/**
 * Contrastive preference optimisation: −log σ(β(p_c − p_r)) + cpo_alpha · NLL of the chosen answers, p being the log-probability of an
 * answer. SimPO takes the mean over its tokens and a margin: −log σ(β(p_c − p_r) − γ).
 * Sources: Xu et al. 2024, https://arxiv.org/abs/2401.08417; Meng et al. 2024, https://arxiv.org/abs/2405.14734; Gupta et al. 2025,
 * https://arxiv.org/abs/2501.03884 (AlphaPO)
 */
export function cpo({
  lossType,
  beta,
  labelSmoothing,
  cpoAlpha,
  simpoGamma,
  alpha,
}: CpoOptions): Objective<PlainAnswer> {
  return likelihoodPairs({
    name: 'cpo',
    averages: lossType === 'ipo' || lossType === 'simpo',
    nllWeight: cpoAlpha,
    lossOf({ chosen, rejected }): LikelihoodLoss {
      const [c, r] = [rewardOf(chosen), rewardOf(rejected)]
      const { loss, slope } = lossAt(c.reward - r.reward)
      return {
        loss,
        chosen: slope * c.slope,
        rejected: -slope * r.slope,
        rewards: { chosen: beta * c.reward, rejected: beta * r.reward },
      }
    },
  })

  /** (1 − e^(−αp)) / α, whose slope is e^(−αp). */
  function rewardOf(logProb: number) {
    if (alpha === 0) return { reward: logProb, slope: 1 }
    const power = Math.exp(-alpha * logProb)
    return { reward: (1 - power) / alpha, slope: power }
  }

  function lossAt(difference: number): { loss: number; slope: number } {
    if (lossType === 'ipo') {
      const error = difference - 1 / (2 * beta)
      return { loss: error ** 2, slope: 2 * error }
    }
    const z = beta * difference - (lossType === 'simpo' ? simpoGamma : 0)
    if (lossType === 'hinge') return { loss: Math.max(0, 1 - z), slope: z < 1 ? -beta : 0 }
    return {
      loss: -(1 - labelSmoothing) * logSigmoid(z) - labelSmoothing * logSigmoid(-z),
      slope: beta * (labelSmoothing * sigmoid(z) - (1 - labelSmoothing) * sigmoid(-z)),
    }
  }
}
