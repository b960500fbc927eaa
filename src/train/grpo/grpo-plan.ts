import { planEpoch, type EpochPlan } from '../../batch/index.ts'
import { FettleError } from '../../error.ts'
import type { TrainOptions } from '../options/index.ts'

/** Which prompts are completed when, and which micro-batches learn from them. */
export interface GrpoPlan {
  /** Completions of each prompt. */
  groupSize: number
  /** Completions of a generation, at most. */
  completions: number
  /** Micro-batches that a generation is divided into. */
  parts: number
  /** Micro-batches that learn from a generation: `parts`, as often as num_iterations says. */
  uses: number
  /** Optimiser steps of an epoch. */
  stepsPerEpoch: number
  /** Whether weights change between the completions of a generation and the last micro-batch that learns from them. */
  isLate: boolean
  epochOf(step: number): number
  /** Numbers of the prompts of a generation, 0 for the first. */
  promptsOf(generation: number): number[]
  /** Generation and part of a micro-batch, counted from the beginning of the run. */
  placeOf(microBatch: number): { generation: number; part: number }
}

type PlanOptions = Pick<
  TrainOptions,
  | 'perDeviceTrainBatchSize'
  | 'gradientAccumulationSteps'
  | 'stepsPerGeneration'
  | 'numIterations'
  | 'numGenerations'
  | 'seed'
  | 'shuffle'
>

/** Completions of a prompt where nobody says how many, as in TRL. */
const usualGroup = 8

/**
 * As TRL divides a run: a generation completes per_device_train_batch_size · steps_per_generation / num_generations prompts, and is learned
 * from num_iterations times. The last generation of an epoch may have fewer prompts.
 *
 * @throws FettleError where a generation is not made of whole groups
 */
export function planGrpo(prompts: number, options: PlanOptions): GrpoPlan {
  const { perDeviceTrainBatchSize, gradientAccumulationSteps, seed, shuffle, numIterations } = options
  const parts = options.stepsPerGeneration ?? gradientAccumulationSteps
  const completions = perDeviceTrainBatchSize * parts
  const groupSize = options.numGenerations ?? (completions % usualGroup === 0 ? usualGroup : completions)
  if (completions % groupSize !== 0 || groupSize < 2)
    throw new FettleError({
      place: 'num_generations',
      found: `${groupSize}, and ${completions} completions of a generation (per_device_train_batch_size · steps_per_generation)`,
      expected: groupSize < 2 ? 'at least 2 completions' : `a divisor of ${completions}`,
      cure: `Set per_device_train_batch_size: ${Math.max(2, groupSize)}, or gradient_accumulation_steps.`,
    })
  const perGeneration = completions / groupSize
  const planOf = (epoch: number): EpochPlan =>
    planEpoch({
      lengths: new Int32Array(prompts).fill(1),
      maxLength: 1,
      packing: false,
      seed,
      shuffle,
      epoch,
      perDeviceBatchSize: perGeneration,
      gradientAccumulation: 1,
    })
  const first = planOf(0)
  let current = { epoch: 0, plan: first }
  const uses = parts * numIterations
  return {
    groupSize,
    completions,
    parts,
    uses,
    stepsPerEpoch: Math.ceil((first.steps * uses) / gradientAccumulationSteps),
    isLate: gradientAccumulationSteps % uses !== 0,
    epochOf: (step) => Math.floor((step * gradientAccumulationSteps) / (first.steps * uses)),
    promptsOf(generation) {
      const epoch = Math.floor(generation / first.steps)
      if (epoch !== current.epoch) current = { epoch, plan: planOf(epoch) }
      return current.plan
        .step(generation - epoch * first.steps)
        .flat()
        .map(({ example }) => example)
    },
    placeOf: (microBatch) => ({
      generation: Math.floor(microBatch / uses),
      part: microBatch % parts,
    }),
  }
}

/** Some things in so many parts that differ by one at most; those that would be empty are left out. */
export function divided<T>(items: readonly T[], parts: number): T[][] {
  return Array.from({ length: parts }, (_, part) =>
    items.slice(Math.round((part * items.length) / parts), Math.round(((part + 1) * items.length) / parts)),
  )
}
