import { learnedPlaces, type Document, type TrainingBatch } from '../../batch/index.ts'
import type { ForwardPasses } from '../loop/forward-passes.ts'
import { createMeans } from './means.ts'
import type { Evaluation, Objective } from './objective.ts'
import { createSourceLosses } from './source-losses.ts'

/**
 * Supervised fine-tuning: loss = −Σ log P(token) / n, over the n learned tokens of a step, in all its batches together. So the
 * weight of each is 1 / n, and a pass needs one stage.
 *
 * @param stopTokenIds  the tokens that end a turn, the template's own first
 */
export function sft(stopTokenIds: readonly number[]): Objective {
  return {
    name: 'sft',
    begin(batches) {
      const learned = batches.reduce((sum, { learnedTokens }) => sum + learnedTokens, 0)
      let sum = 0
      const sources = createSourceLosses()
      return {
        weights: ({ learnedTokens }) => new Float64Array(learnedTokens).fill(1 / learned),
        passed(pass, logProbs) {
          sum -= logProbs.reduce((total, logProb) => total + logProb, 0)
          sources.add(pass, logProbs)
        },
        end: () => ({ loss: sum / learned, ...sources.told() }),
      }
    },
    evaluate: (batches, passes) => lossAndStopping(batches, passes, stopTokenIds),
  }
}

/**
 * Loss and stopping on held-out batches.
 *
 * stop_probability is the mean of P(stop token) where the target is one, early_stop_probability the mean of
 * P(`stopTokenIds[0]`) at all other learned tokens.
 */
async function lossAndStopping(
  batches: Iterable<TrainingBatch<Document>>,
  passes: ForwardPasses,
  stopTokenIds: readonly number[],
): Promise<Evaluation> {
  const sums = { loss: 0, tokens: 0, right: 0, stop: 0, stops: 0, early: 0, others: 0 }
  const sources = createSourceLosses()
  const means = createMeans()
  for (const batch of batches) {
    const { logProbs, alternative, best, balance } = await passes.alternative(batch, stopTokenIds[0] ?? 0)
    sources.add(batch, logProbs)
    means.add({ aux_loss: balance })
    learnedPlaces(batch).forEach((place, i) => {
      sums.loss -= logProbs[i]
      if (best[i] === batch.targets[place]) sums.right += 1
      if (stopTokenIds.includes(batch.targets[place])) {
        sums.stop += Math.exp(logProbs[i])
        sums.stops += 1
      } else {
        sums.early += Math.exp(alternative[i])
        sums.others += 1
      }
    })
    sums.tokens += logProbs.length
  }
  const loss = sums.loss / sums.tokens
  const metrics = means.result()
  return {
    loss,
    learned_tokens: sums.tokens,
    perplexity: Math.exp(loss),
    mean_token_accuracy: sums.right / sums.tokens,
    ...sources.told(),
    // By TRL's name.
    ...(Object.keys(metrics).length > 0 && { metrics }),
    stop_probability: sums.stops === 0 ? null : sums.stop / sums.stops,
    early_stop_probability: sums.others === 0 || stopTokenIds.length === 0 ? null : sums.early / sums.others,
  }
}
