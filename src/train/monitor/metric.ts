import { FettleError, listNames } from '../../error.ts'
import type { EvalEvent } from '../events.ts'

/** What is smaller where a model is better; transformers knows the first only. */
const smallerIsBetter = /loss$|^perplexity$|^early_stop_probability$/

/** A metric without transformers' `eval_`. */
export function metricName(given: string): string {
  return given.replace(/^eval_/, '')
}

/** Whether more of a metric is better; for what ends in `loss`, as in transformers, less is. */
export function isGreaterBetter(metric: string, given: boolean | undefined): boolean {
  return given ?? !smallerIsBetter.test(metricName(metric))
}

/**
 * A number of an evaluation by its name: of the event, or of its metrics.
 *
 * @throws FettleError that names those there are
 */
export function metricOf(event: EvalEvent, given: string): number {
  const { type: _, step: __, metrics = {}, ...own } = event
  const name = metricName(given)
  const all: Record<string, unknown> = { ...metrics, ...own }
  const value = Object.hasOwn(all, name) ? all[name] : undefined
  // JSON has no infinity, and a checkpoint holds the best value.
  if (typeof value === 'number' && !Number.isNaN(value))
    return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value))
  const known = Object.keys(all).filter((key) => typeof all[key] === 'number')
  throw new FettleError({
    place: 'metric_for_best_model',
    found: `${given}, which the evaluation after step ${event.step} does not tell`,
    expected: `one of ${listNames(known)}`,
  })
}
