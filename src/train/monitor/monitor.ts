import type { EvalEvent } from '../events.ts'
import type { TrainOptions } from '../options/index.ts'
import { isGreaterBetter, metricOf } from './metric.ts'
import { newMonitorState, type MonitorState } from './monitor-state.ts'
import { afterEvaluation } from './plateau.ts'
import { spikeOf, withStep } from './spike-guard.ts'

type MonitorOptions = Pick<
  TrainOptions,
  | 'metricForBestModel'
  | 'greaterIsBetter'
  | 'earlyStoppingPatience'
  | 'earlyStoppingThreshold'
  | 'lrSchedulerType'
  | 'lrSchedulerKwargs'
  | 'learningRate'
  | 'spikeGuard'
  | 'spikeFactor'
>

/** Leaps in a row are no leaps any more, but where the run is now: nothing would be learned again. */
const mostInARow = 3

/** What watches a run: which evaluation was the best, when to stop, which learning rate, which step is a spike. */
export interface Monitor {
  readonly state: MonitorState
  /** The metric that evaluations are compared by. */
  readonly metric: string
  /** What the learning rate of the schedule is multiplied by. */
  readonly rateFactor: number
  /** Why the run ends before its last step, if it does. */
  readonly stopReason: string | undefined
  /**
   * Takes an evaluation. That before the first step is no best one: what is not trained is nothing to come back to.
   *
   * @returns whether it is the best so far
   * @throws FettleError when it does not tell the metric
   */
  evaluated(event: EvalEvent): boolean
  /** Why a step is a spike, if the guard is on and it is one; else the step is remembered. */
  spike(step: { loss: number; norm: number }): string | undefined
  /** Goes on from what a checkpoint holds. */
  restore(state: MonitorState | undefined, isOwn: boolean): void
}

export function createMonitor(options: MonitorOptions): Monitor {
  const { metricForBestModel: metric, earlyStoppingPatience: patience, spikeGuard } = options
  const greater = isGreaterBetter(metric, options.greaterIsBetter)
  const better = (value: number, than: number, by = 0) => (greater ? value - than > by : than - value > by)
  let state = newMonitorState()
  return {
    get state() {
      return state
    },
    metric,
    get rateFactor() {
      return options.lrSchedulerType === 'reduce_lr_on_plateau' ? state.plateau.factor : 1
    },
    get stopReason() {
      if (patience === undefined || state.without_gain < patience) return undefined
      const best =
        state.best === null ? '' : `; the best was ${state.best.value} after step ${state.best.step}`
      return `${metric} was no better for ${patience} evaluations${best}`
    },
    evaluated(event) {
      const value = metricOf(event, metric)
      if (event.step === 0) return false
      const { best, plateau } = state
      const isBest = best === null || better(value, best.value)
      // As transformers' callback: compared with the best so far, by more than the threshold.
      const gains = best === null || better(value, best.value, options.earlyStoppingThreshold)
      const { lrSchedulerKwargs = {}, learningRate } = options
      state = {
        ...state,
        best: isBest ? { step: event.step, value } : best,
        without_gain: gains ? 0 : state.without_gain + 1,
        plateau:
          options.lrSchedulerType === 'reduce_lr_on_plateau'
            ? afterEvaluation(plateau, value, greater, learningRate, lrSchedulerKwargs)
            : plateau,
      }
      return isBest
    },
    spike(step) {
      if (spikeGuard === 'off') return undefined
      const { recent, skipped, skipped_in_a_row: inARow } = state
      const found = inARow < mostInARow ? spikeOf(recent, step, options.spikeFactor) : undefined
      state =
        found === undefined
          ? { ...state, recent: withStep(recent, step), skipped_in_a_row: 0 }
          : { ...state, skipped: skipped + 1, skipped_in_a_row: inARow + 1 }
      return found
    },
    restore(given, isOwn) {
      if (given) state = isOwn ? given : { ...given, best: null }
    },
  }
}
