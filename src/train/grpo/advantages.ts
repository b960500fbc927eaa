/** How rewards become advantages, by TRL's names. */
export interface AdvantageOptions {
  /** Completions of a prompt, which stand next to each other. */
  groupSize: number
  scaleRewards: 'group' | 'batch' | 'none'
  /** What each function's reward counts. */
  rewardWeights: readonly number[]
}

/** What follows from the rewards of some groups. */
export interface Advantages {
  /** [completions] */
  advantages: number[]
  /** [completions] weighted sums; NaN where no function had a reward. */
  rewards: number[]
  /** The share of completions whose group (or batch) got the same reward throughout. */
  zeroSpread: number
}

/** Keeps the division finite. */
const smallest = 1e-4

/**
 * A = (r − mean of the group) / (deviation of the group or batch + 1e-4), with r = Σ weight · reward. Functions that had no reward for a
 * completion are left out of its sum; a completion for which none had one has an advantage of 0 and is no part of means. Deviations are
 * those of samples.
 * Source: Shao et al. 2024, https://arxiv.org/abs/2402.03300, as TRL computes it
 *
 * @param perFunction  [completions][functions]; NaN: no reward
 */
export function advantagesOf(
  perFunction: readonly (readonly number[])[],
  { groupSize, scaleRewards, rewardWeights }: AdvantageOptions,
): Advantages {
  const rewards = perFunction.map((row) => weightedSum(row, rewardWeights))
  const ofBatch = deviationOf(rewards)
  const advantages: number[] = []
  let without = 0
  for (let start = 0; start < rewards.length; start += groupSize) {
    const group = rewards.slice(start, start + groupSize)
    const mean = meanOf(group)
    const deviation = scaleRewards === 'batch' ? ofBatch : deviationOf(group)
    if (Math.abs(deviation) <= 1e-8) without += group.length
    for (const reward of group) {
      const scaled = (reward - mean) / (scaleRewards === 'none' ? 1 : deviation + smallest)
      // As float32, so that a checkpoint holds it exactly.
      advantages.push(Number.isNaN(scaled) ? 0 : Math.fround(scaled))
    }
  }
  return { advantages, rewards, zeroSpread: without / Math.max(1, rewards.length) }
}

function weightedSum(row: readonly number[], weights: readonly number[]): number {
  const given = row.flatMap((reward, i) => (Number.isNaN(reward) ? [] : [reward * weights[i]]))
  return given.length === 0 ? Number.NaN : given.reduce((sum, reward) => sum + reward, 0)
}

/** Of the numbers that are some; NaN of none. */
export function meanOf(values: readonly number[]): number {
  const given = values.filter((value) => !Number.isNaN(value))
  return given.reduce((sum, value) => sum + value, 0) / given.length
}

/** The deviation of a sample, Σ (x − mean)² / (n − 1); NaN of fewer than two. */
export function deviationOf(values: readonly number[]): number {
  const given = values.filter((value) => !Number.isNaN(value))
  if (given.length < 2) return Number.NaN
  const mean = meanOf(given)
  return Math.sqrt(given.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (given.length - 1))
}
