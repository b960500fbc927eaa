import type { TrainingBatch } from '../../batch/index.ts'
import { collate, learnedRanges } from '../../batch/index.ts'
import type { ForwardPasses } from '../loop/forward-passes.ts'
import { referenceOf, type AnswerDocument } from './dpo.ts'
import { sigmoid } from './log-sigmoid.ts'
import { meanOf } from './means.ts'
import { microBatchStep } from './micro-batch-step.ts'
import { addAnswer, noAnswers, sumOf } from './micro-batches.ts'
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

/** What is known of a micro-batch before its passes. */
interface Known {
  /** log π_ref of the learned tokens. */
  reference: Float32Array
  kl: number
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
    beginAlike: true,
    describes: true,
    dropsOut: false,
    async begin(batches, passes) {
      const prepared: Known[] = []
      for (const batch of batches)
        prepared.push(
          lossType === 'kto'
            ? await compared(batch, passes)
            : { reference: await referenceOf(batch, passes), kl: 0 },
        )
      return microBatchStep(batches, {
        gather: () => ({
          loss: 0,
          told: [] as Told[],
          answers: { chosen: noAnswers(), rejected: noAnswers() },
        }),
        weights(pass, { batch, ranges, inBatch }, gathered) {
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
              gathered.loss += share * weight * sigmoid(-z)
              const slope = share * weight * (label ? beta : -beta) * sigmoid(z) * sigmoid(-z)
              weights.fill(slope, range.start, range.end)
              gathered.told.push({ label, logProb, reward: beta * ratio })
            })
            return weights
          }
        },
        passed({ documents }, { ranges }, { answers }, { description }) {
          if (!description) return
          ranges.forEach((range, i) =>
            addAnswer(documents[i].label ? answers.chosen : answers.rejected, description, range),
          )
        },
        whole: ({ loss, told, answers }, batch) => ({
          loss,
          metrics: { kl: prepared[batch].kl, ...metricsOf(told, answers) },
        }),
      })
    },
  }
}

/**
 * The reference, and k: how far the model has moved from it on answers to other prompts. The reference is asked about each answer and its
 * mismatched one side by side, as they share their prompt; the model is not, as only the answer has a backward pass.
 */
async function compared(batch: TrainingBatch<LabelledAnswer>, passes: ForwardPasses): Promise<Known> {
  const both = collate<AnswerDocument>(batch.documents.flatMap((own) => [own, own.mismatched]))
  const said = await referenceOf(both, passes)
  const rangesOfBoth = learnedRanges(both)
  const reference = new Float32Array(batch.learnedTokens)
  learnedRanges(batch).forEach(({ start }, i) => {
    const own = rangesOfBoth[2 * i]
    reference.set(said.subarray(own.start, own.end), start)
  })
  const others = collate(batch.documents.map(({ mismatched }) => mismatched))
  const logProbs = await passes.logProbs(others)
  const ratios = learnedRanges(others).map(
    (range, i) => sumOf(logProbs, range) - sumOf(said, rangesOfBoth[2 * i + 1]),
  )
  return { reference, kl: Math.max(0, meanOf(ratios) ?? 0) }
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
