import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { learningRateAt, warmupSteps, type SchedulerKwargs } from '../../src/train/loop/schedule.ts'
import type { SchedulerType } from '../../src/train/options/options.ts'

interface ScheduleCase {
  name: SchedulerType
  base_lr: number
  warmup_steps: number
  total_steps: number
  options: Record<string, number | string>
  lr_used_at_step: number[]
  lr_after_last_step: number
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/collate/golden.json'), 'utf8'),
) as { schedules: ScheduleCase[] }

const camelCase = (name: string) => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

describe('schedules are those of transformers', () => {
  test.each(
    golden.schedules.map((item) => ({ ...item, title: `${item.name} ${JSON.stringify(item.options)}` })),
  )(
    '$title, warm-up $warmup_steps',
    ({ name, base_lr, warmup_steps, total_steps, options, lr_used_at_step, lr_after_last_step }) => {
      const kwargs = Object.fromEntries(
        Object.entries(options).map(([key, value]) => [camelCase(key), value]),
      )
      const schedule = {
        lrSchedulerType: name,
        learningRate: base_lr,
        warmupSteps: warmup_steps,
        lrSchedulerKwargs: kwargs as SchedulerKwargs,
      }
      const rates = Array.from({ length: total_steps + 1 }, (_, step) =>
        learningRateAt(step, total_steps, schedule),
      )
      const expected = [...lr_used_at_step, lr_after_last_step]
      rates.forEach((rate, step) =>
        expect(Math.abs(rate - expected[step])).toBeLessThan(1e-15 + base_lr * 1e-12),
      )
    },
  )
})

test.each([
  { total: 1000, options: {}, steps: 10 },
  { total: 30, options: {}, steps: 3 },
  { total: 5, options: {}, steps: 0 },
  { total: 30, options: { warmupRatio: 0.05 }, steps: 2 },
  { total: 30, options: { warmupSteps: 0, warmupRatio: 0.5 }, steps: 0 },
  { total: 5, options: { warmupSteps: 8 }, steps: 8 },
])('$total steps with $options warm up for $steps', ({ total, options, steps }) => {
  expect(warmupSteps(total, { lrSchedulerType: 'linear', learningRate: 1, ...options })).toBe(steps)
})
