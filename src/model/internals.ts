import type { FlatBatch, ForwardInputs } from './passes/flatten.ts'
import type { Passes } from './passes/passes.ts'
import type { Training } from './passes/training-state.ts'
import type { ModelState } from './state/model-state.ts'

/** What the other rooms need of a model and its users do not. */
export interface ModelInternals {
  readonly state: ModelState
  /** Waits for the model's calls before it, and holds back those that come while the task runs. */
  inTurn<T>(task: () => Promise<T>): Promise<T>
  /** Forward and backward passes over batches; they do not wait, so whoever is not alone with the model takes a turn. */
  readonly passes: Passes
  /** Passes by the model as it was before its adapter; where there is no adapter as it is. They do not wait either. */
  withoutAdapter<T>(body: (passes: Passes) => Promise<T>): Promise<T>
  /** Passes by the model with another of its adapters than the one in use. */
  withAdapter<T>(name: string, body: (passes: Passes) => Promise<T>): Promise<T>
  /** Makes a reward model of it, with a head drawn by the seed, unless it is one. */
  addScoreHead(seed: number): Promise<void>
  /** Makes everything trainable where there is no adapter. */
  makeTrainable(): Promise<void>
  /** `makeTrainable`, and what a training loop works with then. */
  training(): Promise<Training>
  /** A padded matrix as a batch, as passes take it. */
  flatten(inputs: ForwardInputs): FlatBatch
  /** What a training loop adds of the loss of unevenly used experts, as config.json says; 0: nothing. */
  readonly balanceCoefficient: number
  /** Bytes that a training pass keeps of each token until its backward pass, where nothing is computed again. */
  activationBytesPerToken(): number
}

const internals = new WeakMap<object, ModelInternals>()

/** Says what a model is made of; its constructor calls it. */
export function keepInternals(model: object, made: ModelInternals): void {
  internals.set(model, made)
}

/** The inside of an AutoModelForCausalLM. */
export function internalsOf(model: object): ModelInternals {
  const found = internals.get(model)
  if (!found) throw new TypeError('not an AutoModelForCausalLM: load it with fromPretrained or fromConfig')
  return found
}
