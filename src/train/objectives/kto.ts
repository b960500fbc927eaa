import type { TrainingBatch } from '../../batch/index.ts'
import { collate, learnedRanges } from '../../batch/index.ts'
import type { ForwardPasses } from '../forward-passes.ts'
import { referenceOf, type AnswerDocument } from './dpo.ts'
import { sigmoid } from './log-sigmoid.ts'
import { createMeans, meanOf } from './means.ts'
import { addAnswer, noAnswers, passPlaces, sumOf, type BatchPart } from './micro-batches.ts'
import type { Objective } from './objective.ts'

/** An answer that is wanted or not. */
export interface LabelledAnswer extends AnswerDocument {
  label: boolean
  /** Another answer to its prompt, which the reward is compared with. */
  mismatched: AnswerDocument
}

/** What KTO's loss follows from, by TRL's names. */
export interface KtoOptions {
  /** `apo_zero_unpaired` compares with 0 instead of the mismatched answers. */
  lossType: 'kto' | 'apo_zero_unpaired'
  beta: number
  desirableWeight: number
  undesirableWeight: number
}

/** An answer of a micro-batch. */
interface Told {
  label: boolean
  logProb: number
  reward: number
}

/**
 * Kahneman-Tversky optimisation: the mean over a micro-batch of w (1 − σ(±β(s − k))), with s = Σ log π − Σ log π_ref, plus for wanted
 * answers; k is the mean of s over mismatched answers, at least 0 and without a gradient.
 * Source: Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306
 */
export function kto(options: KtoOptions): Objective<LabelledAnswer> {
  const { lossType, beta, desirableWeight, undesirableWeight } = options
  return {
    name: 'kto',
    describes: true,
    dropsOut: false,
    async begin(batches, passes) {
      const placeOf = passPlaces(batches)
      const prepared: { reference: Float32Array; kl: number }[] = []
      for (const batch of batches)
        prepared.push({
          reference: await referenceOf(batch, passes),
          kl: lossType === 'kto' ? await mismatch(batch, passes) : 0,
        })
      const means = createMeans()
      let loss = 0
      let place: BatchPart
      let told: Told[] = []
      let answers = { chosen: noAnswers(), rejected: noAnswers() }
      return {
        weights(pass) {
          place = placeOf(pass)
          const { batch, ranges, inBatch } = place
          const { reference, kl } = prepared[batch]
          const share = 1 / (batches[batch].documents.length * batches.length)
          return (logProbs) => {
            const weights = new Float64Array(logProbs.length)
            ranges.forEach((range, i) => {
              const { label } = pass.documents[i]
              const logProb = sumOf(logProbs, range)
              const ratio = logProb - sumOf(reference, inBatch[i])
              const weight = label ? desirableWeight : undesirableWeight
              const z = (label ? beta : -beta) * (ratio - kl)
              loss += share * weight * sigmoid(-z)
              const slope = share * weight * (label ? beta : -beta) * sigmoid(z) * sigmoid(-z)
              weights.fill(slope, range.start, range.end)
              told.push({ label, logProb, reward: beta * ratio })
            })
            return weights
          }
        },
        passed(pass, _, description) {
          if (description)
            place.ranges.forEach((range, i) =>
              addAnswer(pass.documents[i].label ? answers.chosen : answers.rejected, description, range),
            )
          if (!place.isLast) return
          means.add({ kl: prepared[place.batch].kl, ...metricsOf(told, answers) })
          told = []
          answers = { chosen: noAnswers(), rejected: noAnswers() }
        },
        end: () => ({ loss, metrics: means.result() }),
      }
    },
  }
}

/** k: how far the model has moved from the reference, on answers to other prompts. */
async function mismatch(batch: TrainingBatch<LabelledAnswer>, passes: ForwardPasses): Promise<number> {
  const others = collate(batch.documents.map(({ mismatched }) => mismatched))
  const logProbs = await passes.logProbs(others)
  const reference = await referenceOf(others, passes)
  const ratios = learnedRanges(others).map((range) => sumOf(logProbs, range) - sumOf(reference, range))
  return Math.max(0, meanOf(ratios) ?? 0)
}

/** Of a kind of which a micro-batch has no answer nothing is told. */
function metricsOf(
  told: readonly Told[],
  { chosen, rejected }: Record<'chosen' | 'rejected', ReturnType<typeof noAnswers>>,
): Record<string, number | undefined> {
  const [wanted, unwanted] = [told.filter(({ label }) => label), told.filter(({ label }) => !label)]
  const reward = (of: Told[]) => meanOf(of.map((answer) => answer.reward))
  const [good, bad] = [reward(wanted), reward(unwanted)]
  return {
    entropy: (chosen.entropy + rejected.entropy) / Math.max(1, chosen.tokens + rejected.tokens),
    'logits/chosen': chosen.tokens > 0 ? chosen.meanLogit / chosen.tokens : undefined,
    'logits/rejected': rejected.tokens > 0 ? rejected.meanLogit / rejected.tokens : undefined,
    'rewards/chosen': good,
    'logps/chosen': meanOf(wanted.map(({ logProb }) => logProb)),
    'rewards/rejected': bad,
    'logps/rejected': meanOf(unwanted.map(({ logProb }) => logProb)),
    'rewards/margins': good === undefined || bad === undefined ? undefined : good - bad,
  }
}
