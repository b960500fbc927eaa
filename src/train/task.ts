import type { Document, TrainingBatch } from '../batch/index.ts'
import type { AutoModelForCausalLM, TrainableParameters } from '../model/index.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import type { StartEvent } from './events.ts'
import type { PassSize } from './memory/index.ts'
import type { Objective } from './objectives/objective.ts'
import type { Optimiser } from './optimisers/optimiser.ts'
import type { ReferenceOptions } from './loop/reference.ts'
import type { TrainOptions } from './options/index.ts'
import type { RunFolder } from './runs/index.ts'

/** What a run is about; `runTraining` knows neither objective nor optimiser by name. */
export interface TrainingTask<D extends Document = Document> {
  /** With its adapter, where one is trained. */
  model: AutoModelForCausalLM
  /** Saved beside the model. */
  tokenizer: Tokenizer
  objective: Objective<D>
  optimiser: (parameters: TrainableParameters) => Optimiser
  data: TrainingData<D>
  options: TrainOptions
  /** What else must be the same for a resumed run to be the same run, such as the parameters of the objective. */
  fingerprint?: Record<string, unknown>
  /** The passes that its steps are divided into, and what is told of them; default those of a run that does not look at the memory. */
  passes?: RunPasses | undefined
  /** The checkpoint that the run goes on from; default what the options say. */
  resumeFrom?: string | undefined
  /** Where the objective compares with a reference: how that is had; default by switching the adapter off. */
  reference?: ReferenceOptions | undefined
  /** The run's folder, where it was opened before the data was prepared; whoever opened it closes it. */
  folder?: RunFolder | undefined
  /** Ends the run after the step that is under way. */
  signal?: AbortSignal | undefined
  /** When it began, by performance.now(): its data may have been prepared before. */
  begun: number
}

/** Passes that were found to fit the memory. */
export interface RunPasses extends PassSize {
  /** What the start event tells of them. */
  told: NonNullable<StartEvent['batch']>
  /** What is to be said, where the memory may not suffice. */
  notes: readonly string[]
}

/** The batches of a run, in their order. */
export interface TrainingData<D extends Document = Document> {
  /** Of all examples, in their order (`createDataHash`); without it their numbers have to tell them from others. */
  hash?: string
  /** The files that they were made of, by SHA-256. */
  files?: readonly { path: string; hash: string }[] | undefined
  /** Optimiser steps of the run, and of one epoch. */
  steps: number
  stepsPerEpoch: number
  /** What the start event tells of it. */
  summary: DataSummary
  /** The batches of a step, 0 for the first; always the same ones. */
  stepAt(step: number): TrainingStep<D> | Promise<TrainingStep<D>>
  /** The epoch of a step, 0 for the first; without it all are as long as the first. */
  epochOf?(step: number): number
  /** Held-out batches. */
  evaluation?: {
    batches(): Iterable<TrainingBatch<D>>
    /** Called before each evaluation, where batches are made for it. */
    begin?(): Promise<void>
  }
  /** Prompts that are answered to show what the model says; default the first held-out ones. */
  prompts?: readonly (readonly number[])[]
}

/** Epoch (0 for the first) and micro-batches of an optimiser step. */
export interface TrainingStep<D extends Document = Document> {
  epoch: number
  batches: readonly TrainingBatch<D>[]
}

type DataSummary = Pick<
  StartEvent,
  | 'examples'
  | 'tokens'
  | 'learned_tokens'
  | 'spans'
  | 'truncated_tokens'
  | 'rows'
  | 'invalid_rows'
  | 'invalid'
  | 'mapped_away'
  | 'duplicates'
  | 'held_out'
  | 'repeated'
  | 'sources'
  | 'data_notes'
  | 'truncated_stops'
  | 'truncated_answers'
  | 'truncated_examples'
  | 'examples_without_learned_tokens'
  | 'prepared'
  | 'length_histogram'
  | 'masked_sample'
>
