import type { MonitorState } from './monitor-state.ts'

/** By the names of PyTorch's ReduceLROnPlateau. */
export interface PlateauOptions {
  factor?: number | undefined
  patience?: number | undefined
  threshold?: number | undefined
  thresholdMode?: 'rel' | 'abs' | undefined
  cooldown?: number | undefined
  minLr?: number | undefined
  eps?: number | undefined
}

/**
 * What a learning rate is after an evaluation, as PyTorch's ReduceLROnPlateau decides it: after more than `patience` evaluations that were
 * no better than the best by `threshold` it is multiplied by `factor`.
 *
 * @param learningRate  of the run, before any of it
 */
export function afterEvaluation(
  { best, bad, cooldown, factor: before }: MonitorState['plateau'],
  value: number,
  greater: boolean,
  learningRate: number,
  options: PlateauOptions,
): MonitorState['plateau'] {
  const { factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = 'rel' } = options
  const { cooldown: rest = 0, minLr = 0, eps = 1e-8 } = options
  const isBetter = best === null || isBetterBy(value, best, greater, threshold, thresholdMode)
  let badNow = isBetter ? 0 : bad + 1
  const cooling = Math.max(0, cooldown - 1)
  if (cooldown > 0) badNow = 0
  const kept = { best: isBetter ? value : best, bad: badNow, cooldown: cooling, factor: before }
  if (badNow <= patience) return kept
  const [old, reduced] = [learningRate * before, Math.max(learningRate * before * factor, minLr)]
  return { ...kept, bad: 0, cooldown: rest, factor: old - reduced > eps ? reduced / learningRate : before }
}

function isBetterBy(
  value: number,
  best: number,
  greater: boolean,
  threshold: number,
  mode: 'rel' | 'abs',
): boolean {
  if (mode === 'abs') return greater ? value > best + threshold : value < best - threshold
  return greater ? value > best * (1 + threshold) : value < best * (1 - threshold)
}
