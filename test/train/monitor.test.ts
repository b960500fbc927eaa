import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { EvalEvent } from '../../src/train/events.ts'
import { createMonitor } from '../../src/train/monitor/monitor.ts'
import { isGreaterBetter, metricOf } from '../../src/train/monitor/metric.ts'
import { readTrainOptions } from '../../src/train/options/read-options.ts'

/** See record_plateau.py. */
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/optimisers/plateau.json', import.meta.url), 'utf8'),
) as { values: number[]; cases: { options: Record<string, unknown>; rates: number[] }[] }

const evaluation = (step: number, loss: number): EvalEvent => ({
  type: 'eval',
  step,
  loss,
  learned_tokens: 1,
  stop_probability: 0.5,
  early_stop_probability: null,
  metrics: { 'rewards/margins': 2 },
})

const monitorOf = (options: object) => createMonitor(readTrainOptions({ data: ['not read'], ...options }))

describe('reduce_lr_on_plateau', () => {
  it.each(recorded.cases)(
    '$options: the rates are PyTorch’s, also from a checkpoint',
    ({ options, rates }) => {
      const { mode, ...lrSchedulerKwargs } = options
      const make = () =>
        monitorOf({
          learningRate: 1e-2,
          lrSchedulerType: 'reduce_lr_on_plateau',
          lrSchedulerKwargs,
          greaterIsBetter: mode === 'max',
        })
      let monitor = make()
      const found = recorded.values.map((value, i) => {
        if (i === 20) {
          const { state } = monitor
          monitor = make()
          monitor.restore(JSON.parse(JSON.stringify(state)) as typeof state, true)
        }
        monitor.evaluated(evaluation(i + 1, value))
        return 1e-2 * monitor.rateFactor
      })
      found.forEach((rate, i) => expect(rate).toBeCloseTo(rates[i], 12))
    },
  )
})

describe('early stopping', () => {
  it.each([
    ['no better for two', { earlyStoppingPatience: 2 }, [3, 2, 2.5, 2], 4, 2],
    ['by the threshold', { earlyStoppingPatience: 2, earlyStoppingThreshold: 0.5 }, [3, 2.9, 2.8, 1], 3, 3],
    ['of what is to rise', { earlyStoppingPatience: 1, greaterIsBetter: true }, [1, 2, 2], 3, 2],
  ] as const)('%s', (_, options, losses, stopsAt, best) => {
    const monitor = monitorOf(options)
    let stopped = 0
    losses.forEach((loss, i) => {
      if (monitor.stopReason !== undefined) return
      monitor.evaluated(evaluation(i + 1, loss))
      stopped = i + 1
    })
    expect(stopped).toBe(stopsAt)
    expect(monitor.state.best?.step).toBe(best)
  })

  it('does not count what was before the first step', () => {
    const monitor = monitorOf({ earlyStoppingPatience: 1 })
    expect(monitor.evaluated(evaluation(0, 1))).toBe(false)
    expect(monitor.evaluated(evaluation(1, 2))).toBe(true)
    expect(monitor.stopReason).toBeUndefined()
  })
})

describe('a metric', () => {
  it.each([
    ['loss', false],
    ['eval_loss', false],
    ['perplexity', false],
    ['mean_token_accuracy', true],
    ['eval_rewards/margins', true],
  ])('%s: more is better: %s', (name, greater) => expect(isGreaterBetter(name, undefined)).toBe(greater))

  it('is one of the event or of its metrics', () => {
    expect(metricOf(evaluation(1, 3), 'eval_loss')).toBe(3)
    expect(metricOf(evaluation(1, 3), 'rewards/margins')).toBe(2)
    expect(() => metricOf(evaluation(1, 3), 'accuracy')).toThrow(
      /accuracy, which the evaluation after step 1 does not tell; expected one of .*loss/,
    )
    expect(() => metricOf(evaluation(1, 3), 'early_stop_probability')).toThrow(/does not tell/)
  })
})

describe('the spike guard', () => {
  const calm = Array.from({ length: 12 }, (_, i) => ({ loss: 2 + 0.01 * (i % 3), norm: 1 + 0.02 * (i % 2) }))

  it.each([
    ['a loss that leaps', { loss: 9, norm: 1 }, /^loss 9.000, above 3\.0/],
    ['a norm that leaps', { loss: 2, norm: 40 }, /^gradient norm 40.00/],
    ['a loss a little higher', { loss: 2.3, norm: 1 }, undefined],
  ])('%s', (_, step, found) => {
    const monitor = monitorOf({ spikeGuard: 'skip' })
    for (const each of calm) expect(monitor.spike(each)).toBeUndefined()
    const spike = monitor.spike(step)
    if (found) expect(spike).toMatch(found)
    else expect(spike).toBeUndefined()
    expect(monitor.state.skipped).toBe(found ? 1 : 0)
  })

  it('knows nothing of the first steps, and nothing at all when it is off', () => {
    const monitor = monitorOf({ spikeGuard: 'skip' })
    for (const step of calm.slice(0, 7)) monitor.spike(step)
    expect(monitor.spike({ loss: 99, norm: 99 })).toBeUndefined()
    const off = monitorOf({})
    for (const step of calm) off.spike(step)
    expect(off.spike({ loss: 99, norm: 99 })).toBeUndefined()
    expect(off.state.recent.losses).toEqual([])
  })
})
