/** What happened in a run, in order; the command line, the studio and log files read this one stream. */
export type TrainEvent =
  | PrepareEvent
  | StartEvent
  | StepEvent
  | EvalEvent
  | SampleEvent
  | CheckpointEvent
  | EndEvent

/** How far the data are prepared, twice a second where that takes longer than a second; comes before all others. */
export interface PrepareEvent {
  type: 'prepare'
  /** What they are for. */
  set: 'data' | 'eval_data'
  /** Rows that became examples, or were left out, so far. */
  rows: number
  examples: number
  tokens: number
  rows_per_second: number
  elapsed_ms: number
  /** About how long it still takes; null where nobody knows how much there is. */
  remaining_ms: number | null
}

/** What is trained, on what; the first event but for those of preparing. */
export interface StartEvent {
  type: 'start'
  model: string
  engine: string
  isa: string
  threads: number
  dtype: string
  parameters: number
  trainable_parameters: number
  /** Rows of the training data that were read, and how many of them were left out as unusable (skip_invalid). */
  rows: number
  invalid_rows: number
  /** The first of them, with the reason. */
  invalid: readonly { place: string; reason: string }[]
  /** Rows that a function left out, duplicates that were left out, rows held out for evaluation, rows that were read again. */
  mapped_away: number
  duplicates: number
  held_out: number
  repeated: number
  /** What was found in each source of the training data. */
  sources: readonly SourceFound[]
  /** What else is worth knowing of the data, such as columns that nobody reads. */
  data_notes: readonly string[]
  /** Training examples, their tokens and how many of those are learned. */
  examples: number
  tokens: number
  learned_tokens: number
  /** How the borders of the learned spans were found, by status. */
  spans: Record<string, number>
  /** Tokens that truncation dropped, and turns that lost their stop token to it. */
  truncated_tokens: number
  truncated_stops: number
  /** Answers that lie beyond max_length as a whole, and examples left out because all of theirs do. */
  truncated_answers: number
  truncated_examples: number
  /** Examples left out because nothing of them is learned. */
  examples_without_learned_tokens: number
  /** Where the prepared data are kept, whether they were there already, and how long it took to have them. */
  prepared?: { cache: string | null; reused: boolean; elapsed_ms: number }
  steps: number
  steps_per_epoch: number
  /** How a step is computed, where that was found from the memory. */
  batch?: FoundBatch
  /** Steps done before, when a run is resumed. */
  first_step: number
  /** Of the run, which its checkpoints and run.json have, too. */
  run_id: string
  /** What is to be said of going on: damaged checkpoints that were passed over, what the run is extended by. */
  notes?: readonly string[]
  output_dir: string
  /** Examples by their tokens, and the beginning of the first one with what is learned of it. */
  length_histogram?: readonly { up_to: number; examples: number }[]
  masked_sample?: readonly { text: string; learned: boolean }[]
}

/** A step, and the passes that were found to fit the memory. */
export interface FoundBatch {
  /** Packs or examples (pairs, answers). */
  rows_per_step: number
  per_device_train_batch_size: number
  gradient_accumulation_steps: number
  /** A step is divided at document borders into passes of so many tokens at most; a longer document is one of its own. */
  tokens_per_pass: number
  /** What the activations of such a pass take; of a longer document some are computed again. */
  activation_mib: number
  /** What the process could have when it was found, and what bounds that. */
  memory_mib: number
  bound_by: 'machine' | 'container' | 'address space'
  /** Whether they are those of the checkpoint that the run goes on from. */
  resumed: boolean
}

/** A source of the training data: how it was read. */
export interface SourceFound {
  name: string
  /** Null where no row told it. */
  format: string | null
  /** As it was given, where sources are mixed. */
  weight?: number
  /** Rows that were read, and those that became conversations, repeated ones too. */
  rows: number
  conversations: number
  /** The file's columns, with the one of fettle's as which each is read, and those that are not read. */
  columns_read: Readonly<Record<string, string>>
  columns_unread: readonly string[]
}

/** An optimiser step. */
export interface StepEvent {
  type: 'step'
  /** 1 for the first. */
  step: number
  epoch: number
  /** Sum over the step's learned tokens divided by their number, in nats. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  learning_rate: number
  /** Real tokens of the step; padding does not exist. */
  tokens: number
  learned_tokens: number
  tokens_per_second: number
  elapsed_ms: number
  peak_rss_mib: number
  /** What the objective tells besides the loss, by TRL's names: `rewards/margins`. */
  metrics?: Readonly<Record<string, number>>
  /** Loss of each source of the data, where there are several, and their learned tokens of the step. */
  sources?: Readonly<Record<string, SourceLoss>>
  /** Why the update was left out, where the spike guard did. */
  skipped?: string
}

/** What one source of the data has. */
export interface SourceLoss {
  loss: number
  learned_tokens: number
}

/** The held-out data, computed with the weights as they are. */
export interface EvalEvent {
  type: 'eval'
  step: number
  loss: number
  learned_tokens: number
  /** Mean probability of the stop token where a turn ends; null where no turn ends in one. */
  stop_probability: number | null
  /** Mean probability of the stop token at the other learned tokens: where it would cut an answer short. */
  early_stop_probability: number | null
  /** exp(loss), where the loss is one of tokens. */
  perplexity?: number
  /** Share of the learned tokens that are the likeliest in their place, by TRL's name. */
  mean_token_accuracy?: number
  /** As in the step event. */
  metrics?: Readonly<Record<string, number>>
  sources?: Readonly<Record<string, SourceLoss>>
  /** True where it is the best evaluation so far, by metric_for_best_model. */
  best?: boolean
}

/** What the model answers, greedily, after so many steps. */
export interface SampleEvent {
  type: 'sample'
  step: number
  samples: readonly Sample[]
}

/** An answer of the model. */
export interface Sample {
  prompt: string
  text: string
  finish_reason: 'stop' | 'length' | 'error'
  /** Why there is none. */
  problem?: string
}

/** A checkpoint that is whole. */
export interface CheckpointEvent {
  type: 'checkpoint'
  step: number
  path: string
}

/** How it ended; the last event. */
export interface EndEvent {
  type: 'end'
  step: number
  loss: number
  /** True when the run was stopped before its last step. */
  interrupted: boolean
  elapsed_ms: number
  tokens_per_second: number
  peak_rss_mib: number
  output_dir: string
  /** The newest checkpoint, which `resume_from_checkpoint` and `extend` go on from, if one was written. */
  checkpoint?: string
  /** The best evaluation, and its checkpoint where it was kept; the result is that one, if load_best_model_at_end says so. */
  best?: { step: number; metric: string; value: number; checkpoint?: string; loaded: boolean }
  /** Why it ended before its last step, though nobody stopped it. */
  stopped_early?: string
  /** What trackers could not write, the first problem of each. */
  tracker_problems?: readonly string[]
}

/** Of a run's folder: its events, a line of JSON each. */
export const eventsFile = 'events.jsonl'
