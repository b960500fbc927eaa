import type { SchedulerType } from '../options/index.ts'

/** Parameters of single schedules, under the names of transformers. */
export interface SchedulerKwargs {
  /** Waves of `cosine` (default ½) and restarts of `cosine_with_restarts` (default 1). */
  numCycles?: number | undefined
  /** `polynomial`: exponent (default 1) and learning rate at the end (default 1e-7). */
  power?: number | undefined
  lrEnd?: number | undefined
  /** `inverse_sqrt`: default the warm-up steps, or 10,000 without warm-up. */
  timescale?: number | undefined
  /** `cosine_with_min_lr`: the lowest learning rate, or its ratio to the highest. */
  minLr?: number | undefined
  minLrRate?: number | undefined
  /** `warmup_stable_decay`: length and form of the decay, and the ratio it ends at. */
  numDecaySteps?: number | undefined
  numStableSteps?: number | undefined
  warmupType?: DecayType | undefined
  decayType?: DecayType | undefined
  minLrRatio?: number | undefined
  /** `reduce_lr_on_plateau`: see monitor/plateau.ts. */
  factor?: number | undefined
  patience?: number | undefined
  threshold?: number | undefined
  thresholdMode?: 'rel' | 'abs' | undefined
  cooldown?: number | undefined
  eps?: number | undefined
}

type DecayType = 'linear' | 'cosine' | '1-sqrt'

/** What decides the learning rate. */
export interface ScheduleOptions {
  lrSchedulerType: SchedulerType
  learningRate: number
  warmupSteps?: number | undefined
  warmupRatio?: number | undefined
  lrSchedulerKwargs?: SchedulerKwargs | undefined
}

/** What a schedule sees: `done` of `total` steps are made; the first `warmup` are warm-up. */
interface At {
  done: number
  warmup: number
  total: number
  learningRate: number
  kwargs: SchedulerKwargs
}

type Factor = (at: At) => number

/**
 * The learning rate of a step, as transformers has it: the first warm-up step has rate 0, and the step after the last
 * would have the schedule's end.
 *
 * @param step   0 for the first
 * @param total  optimiser steps of the run
 */
export function learningRateAt(step: number, total: number, options: ScheduleOptions): number {
  const { lrSchedulerType, learningRate, lrSchedulerKwargs: kwargs = {} } = options
  const at = { done: step, warmup: warmupSteps(total, options), total, learningRate, kwargs }
  return learningRate * factors[lrSchedulerType](at)
}

/**
 * How many steps are warm-up: `warmupSteps`, else `warmupRatio` of the run, else 10 but never more than a tenth of
 * the run, so that a short run learns too.
 */
export function warmupSteps(total: number, { warmupSteps: steps, warmupRatio }: ScheduleOptions): number {
  if (steps !== undefined) return steps
  return warmupRatio === undefined ? Math.min(10, Math.floor(total / 10)) : Math.ceil(total * warmupRatio)
}

/** Rises from 0 to 1 during warm-up, then follows `after`. */
function warmed(after: (at: At & { progress: number }) => number): Factor {
  return (at) =>
    at.done < at.warmup
      ? at.done / Math.max(1, at.warmup)
      : after({ ...at, progress: (at.done - at.warmup) / Math.max(1, at.total - at.warmup) })
}

/** (1 + cos(2π · cycles · progress)) / 2 */
const cosine = (progress: number, cycles = 0.5) => 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress))

const factors: { [Type in SchedulerType]: Factor } = {
  constant: () => 1,
  constant_with_warmup: warmed(() => 1),
  linear: warmed(({ progress }) => Math.max(0, 1 - progress)),
  cosine: warmed(({ progress, kwargs }) => Math.max(0, cosine(progress, kwargs.numCycles))),
  cosine_with_restarts: warmed(({ progress, kwargs }) =>
    progress >= 1 ? 0 : Math.max(0, cosine(((kwargs.numCycles ?? 1) * progress) % 1)),
  ),
  cosine_with_min_lr: warmed(({ progress, learningRate, kwargs }) => {
    const lowest = kwargs.minLrRate ?? (kwargs.minLr ?? 0) / learningRate
    return Math.max(0, cosine(progress, kwargs.numCycles) * (1 - lowest) + lowest)
  }),
  polynomial: warmed(({ progress, learningRate, kwargs: { power = 1, lrEnd = 1e-7 } }) => {
    const left = Math.max(0, 1 - progress) ** power
    return ((learningRate - lrEnd) * left + lrEnd) / learningRate
  }),
  inverse_sqrt: warmed(({ done, warmup, kwargs }) => {
    const timescale = kwargs.timescale ?? (warmup || 10_000)
    return 1 / Math.sqrt((done + timescale - warmup) / timescale)
  }),
  warmup_stable_decay: warmupStableDecay,
  // Evaluations decide what it is multiplied by.
  reduce_lr_on_plateau: () => 1,
}

/** Hu et al. 2024, arXiv:2404.06395; here the floor `minLrRatio` holds during warm-up too. */
function warmupStableDecay({ done, warmup, total, kwargs }: At): number {
  const { numDecaySteps: decay = 0, warmupType = 'linear', decayType = 'cosine', minLrRatio = 0 } = kwargs
  const stable = kwargs.numStableSteps ?? total - warmup - decay
  const floored = (factor: number) => Math.max(0, factor * (1 - minLrRatio) + minLrRatio)
  if (done < warmup) return floored(decays[warmupType](1 - done / Math.max(1, warmup)))
  if (done < warmup + stable) return 1
  if (done >= warmup + stable + decay) return minLrRatio
  const progress = (done - warmup - stable) / Math.max(1, decay)
  return floored(decayType === 'cosine' ? cosine(progress, kwargs.numCycles) : decays[decayType](progress))
}

/** From 1 to 0 while progress goes from 0 to 1. */
const decays: { [Type in DecayType]: (progress: number) => number } = {
  linear: (progress) => 1 - progress,
  cosine: (progress) => cosine(progress),
  '1-sqrt': (progress) => 1 - Math.sqrt(progress),
}
