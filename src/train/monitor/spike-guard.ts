import type { MonitorState } from './monitor-state.ts'

/** Steps that a step is compared with, and how many there must be before anything is called a spike. */
const [kept, fewest] = [32, 8]

/**
 * Why a step is a spike: its loss or its gradient norm lies `factor` standard deviations above the mean of the last 32 steps that were
 * made, and half above that mean besides, so that a calm run has none.
 *
 * @returns undefined where it is none
 */
export function spikeOf(
  { losses, norms }: MonitorState['recent'],
  step: { loss: number; norm: number },
  factor: number,
): string | undefined {
  return (
    above('loss', step.loss, losses, factor) ?? above('gradient norm', step.norm, norms, factor) ?? undefined
  )
}

function above(name: string, value: number, before: readonly number[], factor: number): string | undefined {
  if (before.length < fewest) return undefined
  const mean = before.reduce((sum, each) => sum + each, 0) / before.length
  const variance = before.reduce((sum, each) => sum + (each - mean) ** 2, 0) / before.length
  const limit = Math.max(mean + factor * Math.sqrt(variance), mean + 0.5 * Math.abs(mean))
  if (value <= limit) return undefined
  return `${name} ${value.toPrecision(4)}, above ${limit.toPrecision(4)} after a mean of ${mean.toPrecision(4)}`
}

/** The last steps, with one more. */
export function withStep(
  { losses, norms }: MonitorState['recent'],
  step: { loss: number; norm: number },
): MonitorState['recent'] {
  return { losses: [...losses, step.loss].slice(-kept), norms: [...norms, step.norm].slice(-kept) }
}
