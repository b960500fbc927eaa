import type { Document, TrainingBatch } from '../../batch/index.ts'
import { microBatchStep } from './micro-batch-step.ts'
import { sumOf, type TokenRange } from './micro-batches.ts'
import type { Objective } from './objective.ts'

/** A sampled completion behind its prompt. */
export interface SampledAnswer extends Document {
  /** How much better its reward is than that of its group. */
  advantage: number
  /** log π of its learned tokens when it was sampled; without it the weights are still those that it was sampled by. */
  old?: Float32Array
  /** Learned tokens that all micro-batches sampled with it have on average. */
  usualTokens: number
}

/** What GRPO's loss follows from, by TRL's names. */
export interface GrpoOptions {
  lossType: 'grpo' | 'dapo' | 'dr_grpo' | 'bnpo'
  /** Weight of the divergence from the reference; 0: it is not asked. */
  beta: number
  /** Ratios are clipped to [1 − epsilon, 1 + epsilonHigh]. */
  epsilon: number
  epsilonHigh: number
  /** Ratios above it count as it. */
  delta: number | undefined
  /** Multiplies the divergence by the ratio, so that its gradient is that of the reverse KL. */
  useBiasCorrectionKl: boolean
  importanceSamplingLevel: 'token' | 'sequence'
  maxCompletionLength: number
  temperature: number
  /** What was told of the completions that the step learns from, where they were sampled for it. */
  told(): Readonly<Record<string, number>>
}

/** A completion in a pass. */
interface Sampled {
  document: SampledAnswer
  /** Among the learned tokens of the pass. */
  range: TokenRange
  /** log π_ref of its tokens, where beta needs it. */
  reference: Float32Array | undefined
}

/**
 * Group relative policy optimisation: of each token −min(ρA, clip(ρ) A) + β (e^d − d − 1), with the ratio ρ = π / π_old of the token, or of
 * the sequence as its geometric mean, and d = log π_ref − log π; with use_bias_correction_kl the divergence is multiplied by ρ. How the tokens are weighed is what the losses differ in:
 * - grpo: the mean over completions of the mean over their tokens; bnpo: over all tokens of a micro-batch, and both as a mean over the
 *   micro-batches of a step;
 * - dapo: over all tokens of a step; dr_grpo: the sum by the longest completions that there could be.
 * Sources: Shao et al. 2024, https://arxiv.org/abs/2402.03300; Yu et al. 2025, https://arxiv.org/abs/2503.14476 (DAPO); Liu et al. 2025,
 * https://arxiv.org/abs/2503.20783 (Dr. GRPO); Zheng et al. 2025, https://arxiv.org/abs/2507.18071 (ratios of sequences)
 */
export function grpo(options: GrpoOptions): Objective<SampledAnswer> {
  return {
    name: 'grpo',
    beginAlike: true,
    describes: true,
    temperature: options.temperature,
    async begin(batches, passes) {
      const references: Float32Array[] = []
      if (options.beta > 0) for (const batch of batches) references.push(await passes.reference(batch))
      const step = microBatchStep(batches, {
        gather: () => createGathering(options),
        weights(pass, { batch, ranges, inBatch }, gathered) {
          const shareOf = sharesIn(batches[batch], batches.length, options)
          return (logProbs, description) => {
            const weights = new Float64Array(logProbs.length)
            for (const [i, document] of pass.documents.entries()) {
              const range = ranges[i]
              const reference = references.at(batch)?.subarray(inBatch[i].start, inBatch[i].end)
              const share = shareOf(document, range)
              const made = termsOf({ document, range, reference }, logProbs, options)
              for (let t = 0; t < made.slopes.length; t += 1)
                weights[range.start + t] = -share * made.slopes[t]
              gathered.add(made, share, range, description ? sumOf(description.entropy, range) : 0)
            }
            return weights
          }
        },
        whole: (gathered) => ({ loss: gathered.loss, metrics: gathered.metrics() }),
      })
      return {
        ...step,
        end() {
          const { loss, metrics } = step.end()
          return { loss, metrics: { ...options.told(), ...metrics } }
        },
      }
    },
  }
}

/** What the sum over a completion's tokens is multiplied by. */
function sharesIn(
  { documents, learnedTokens }: TrainingBatch<SampledAnswer>,
  batches: number,
  { lossType, maxCompletionLength }: GrpoOptions,
): (document: SampledAnswer, range: TokenRange) => number {
  switch (lossType) {
    case 'grpo':
      return (_, { start, end }) => 1 / (documents.length * Math.max(1, end - start) * batches)
    case 'bnpo':
      return () => 1 / (Math.max(1, learnedTokens) * batches)
    case 'dr_grpo':
      return () => 1 / (documents.length * maxCompletionLength * batches)
    case 'dapo':
      return ({ usualTokens }) => 1 / (usualTokens * batches)
  }
}

/** Of a completion's tokens together: the loss, its slopes by their log-probabilities, and what is told of it. */
interface Terms {
  loss: number
  slopes: Float64Array
  kl: number
  /** How many ratios were cut off below and above: of tokens, or of the one sequence. */
  low: number
  high: number
}

function termsOf(
  { document: { advantage, old }, range, reference }: Sampled,
  logProbs: Float32Array,
  options: GrpoOptions,
): Terms {
  const { beta, epsilon, epsilonHigh, delta = Infinity } = options
  const { importanceSamplingLevel, useBiasCorrectionKl } = options
  const count = range.end - range.start
  const terms: Terms = { loss: 0, slopes: new Float64Array(count), kl: 0, low: 0, high: 0 }
  const logRatios = Array.from({ length: count }, (_, t) => (old ? logProbs[range.start + t] - old[t] : 0))
  const isOfSequence = importanceSamplingLevel === 'sequence'
  const mean = logRatios.reduce((sum, ratio) => sum + ratio, 0) / Math.max(1, count)
  const isLow = (ratio: number) => ratio < 1 - epsilon && advantage < 0
  const isHigh = (ratio: number) => ratio > 1 + epsilonHigh && advantage > 0
  for (let t = 0; t < count; t += 1) {
    const ratio = Math.exp(isOfSequence ? mean : logRatios[t])
    const [free, clipped] = [Math.min(ratio, delta), Math.min(Math.max(ratio, 1 - epsilon), 1 + epsilonHigh)]
    const isFree = free * advantage <= clipped * advantage
    terms.loss -= (isFree ? free : clipped) * advantage
    // Both are the ratio itself where it is inside, and constants beyond.
    const moves = isFree ? ratio < delta : clipped === ratio
    terms.slopes[t] = moves ? -ratio * advantage : 0
    if (!isOfSequence || t === 0) {
      terms.low += isLow(free) ? 1 : 0
      terms.high += isHigh(free) ? 1 : 0
    }
    if (!reference) continue
    const d = reference[t] - logProbs[range.start + t]
    const weight = useBiasCorrectionKl ? ratio : 1
    const kl = weight * (Math.exp(d) - d - 1)
    terms.kl += kl
    terms.loss += beta * kl
    terms.slopes[t] += beta * weight * (1 - Math.exp(d))
    // The ratio has a gradient, too.
    if (useBiasCorrectionKl && !isOfSequence) terms.slopes[t] += beta * kl
  }
  if (useBiasCorrectionKl && isOfSequence)
    for (let t = 0; t < count; t += 1) terms.slopes[t] += (beta * terms.kl) / count
  return terms
}

/** What the passes of a micro-batch tell, until it is whole. */
function createGathering({ beta, importanceSamplingLevel }: GrpoOptions) {
  let [loss, tokens, sequences, entropy, kl, low, high] = [0, 0, 0, 0, 0, 0, 0]
  let [lowMin, highMax] = [Infinity, -Infinity]
  const isOfSequence = importanceSamplingLevel === 'sequence'
  return {
    get loss() {
      return loss
    },
    add(terms: Terms, share: number, { start, end }: TokenRange, entropyOfTokens: number) {
      loss += share * terms.loss
      const count = isOfSequence ? 1 : end - start
      tokens += end - start
      sequences += 1
      entropy += entropyOfTokens
      kl += terms.kl
      low += terms.low
      high += terms.high
      if (count === 0) return
      lowMin = Math.min(lowMin, terms.low / count)
      highMax = Math.max(highMax, terms.high / count)
    },
    metrics(): Record<string, number | undefined> {
      const all = Math.max(1, tokens)
      const ratios = isOfSequence ? sequences : all
      return {
        ...(beta > 0 && { kl: kl / all }),
        entropy: entropy / all,
        'clip_ratio/low_mean': low / ratios,
        'clip_ratio/high_mean': high / ratios,
        'clip_ratio/region_mean': (low + high) / ratios,
        'clip_ratio/low_min': Number.isFinite(lowMin) ? lowMin : undefined,
        'clip_ratio/high_max': Number.isFinite(highMax) ? highMax : undefined,
      }
    },
  }
}
