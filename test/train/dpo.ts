import { learnedRanges } from '../../src/batch/index.ts'
import type { Objective } from '../../src/train/index.ts'

/**
 * Direct preference optimisation: loss = mean of −log σ(β(s_c − s_r)) over the pairs of a step, where s = Σ (log π − log π_ref) over
 * the tokens of an answer. The documents are chosen, rejected, chosen, rejected … and a pair shares a pass.
 * Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290
 */
export function dpo(beta: number): Objective {
  return {
    name: 'dpo',
    together: 2,
    beginAlike: true,
    begin(batches, passes) {
      const pairs = batches.reduce((sum, { documents }) => sum + documents.length / 2, 0)
      let loss = 0
      const rewards = { chosen: 0, rejected: 0, accuracies: 0 }
      return {
        async weights(pass) {
          const reference = await passes.reference(pass)
          const ranges = learnedRanges(pass)
          return (logProbs) => {
            const weights = new Float64Array(logProbs.length)
            for (let i = 0; i < ranges.length; i += 2) {
              const [chosen, rejected] = [ranges[i], ranges[i + 1]]
              const reward = ({ start, end }: { start: number; end: number }) =>
                beta * (sum(logProbs, start, end) - sum(reference, start, end))
              const margin = reward(chosen) - reward(rejected)
              loss += (Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)))) / pairs
              // −∂loss/∂log π is β σ(−margin) at each token of the chosen answer, and its negative at the rejected one's.
              const weight = beta / (1 + Math.exp(margin)) / pairs
              weights.fill(weight, chosen.start, chosen.end)
              weights.fill(-weight, rejected.start, rejected.end)
              rewards.chosen += reward(chosen) / pairs
              rewards.rejected += reward(rejected) / pairs
              rewards.accuracies += (margin > 0 ? 1 : 0) / pairs
            }
            return weights
          }
        },
        end: () => ({
          loss,
          metrics: {
            'rewards/chosen': rewards.chosen,
            'rewards/rejected': rewards.rejected,
            'rewards/accuracies': rewards.accuracies,
            'rewards/margins': rewards.chosen - rewards.rejected,
          },
        }),
      }
    },
  }
}

function sum(values: Float32Array, start: number, end: number): number {
  return values.subarray(start, end).reduce((total, value) => total + value, 0)
}
