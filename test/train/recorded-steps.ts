import { expect } from 'vitest'
import type { StepEvent } from '../../src/train/index.ts'
import { maxDifference, type readTensors } from '../model/golden.ts'

/**
 * Holds each step to what TRL recorded of it, as for training in the README of the fixtures; numbers above one relative to their size, as
 * float32 has them.
 */
export function expectRecordedSteps(
  events: readonly StepEvent[],
  steps: readonly Record<string, number>[],
  isUntold: (key: string, value: number | null) => boolean,
): void {
  expect(events.length).toBe(steps.length)
  for (const [i, expected] of steps.entries()) {
    const { loss, grad_norm, learning_rate, metrics } = events[i]
    const found: Record<string, number> = { loss, grad_norm, learning_rate, ...metrics }
    for (const [key, value] of Object.entries(expected))
      if (!isUntold(key, value))
        expect(
          Math.abs(found[key] - value) / Math.max(1, Math.abs(value)),
          `${key} of step ${i + 1}: ${found[key]}, not ${value}`,
        ).toBeLessThan(1e-4)
  }
}

type Tensors = Awaited<ReturnType<typeof readTensors>>

/** Holds the tensors of a file to those that were recorded under a case's name. */
export async function expectRecordedTensors(actual: Tensors, recorded: Tensors, name: string): Promise<void> {
  for (const tensor of actual.names)
    expect(
      maxDifference(await actual.floats(tensor), await recorded.floats(`${name}/${tensor}`)),
      tensor,
    ).toBeLessThan(2e-4)
}
