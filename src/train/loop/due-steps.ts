import type { TrainOptions } from '../options/index.ts'
import type { TrainingData } from '../task.ts'

/** Steps after which something is due. */
export interface DueSteps {
  logging: number
  /** Whether it is due after so many steps. */
  evaluation(step: number): boolean
  checkpoint(step: number): boolean
  epochOf(step: number): number
}

/** When a run logs, evaluates and saves, by its options. */
export function dueSteps(
  { loggingSteps, evalStrategy, evalSteps, saveStrategy, saveSteps }: TrainOptions,
  data: Pick<TrainingData, 'steps' | 'stepsPerEpoch' | 'epochOf'>,
): DueSteps {
  const every = (given: number): number => intervalOf(given, data.steps)
  const epochOf = (step: number): number => data.epochOf?.(step) ?? Math.floor(step / data.stepsPerEpoch)
  const isDue = (strategy: TrainOptions['evalStrategy'], interval: number, step: number): boolean => {
    if (strategy === 'epoch') return epochOf(step) !== epochOf(step - 1)
    return strategy === 'steps' && interval > 0 && step % interval === 0
  }
  return {
    logging: every(loggingSteps),
    evaluation: (step) => isDue(evalStrategy, every(evalSteps), step),
    checkpoint: (step) => isDue(saveStrategy, every(saveSteps), step),
    epochOf,
  }
}

/** Steps between two of a kind: as given, or a part of the run, as transformers counts it. */
function intervalOf(given: number, steps: number): number {
  return given > 0 && given < 1 ? Math.ceil(steps * given) : given
}
