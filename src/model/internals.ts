import type { FlatTokens, ForwardInputs } from './passes/flatten.ts'
import type { Passes } from './passes/passes.ts'
import type { trainingState } from './passes/training-state.ts'
import type { ModelState } from './state/model-state.ts'

/** What the training loop works with. */
export type Training = ReturnType<typeof trainingState> & Pick<Passes, 'losses'>

/** What the other rooms need of a model and its users do not. */
export interface ModelInternals {
  readonly state: ModelState
  /** Forward and backward passes over flat tokens. */
  readonly passes: Passes
  /** Waits for an adapter that is being put on, and makes everything trainable where there is none. */
  makeTrainable(): Promise<void>
  /** `makeTrainable`, and what a training loop works with then. */
  training(): Promise<Training>
  /** Runs passes by the model as it was before its adapter; without one as it is. */
  withoutAdapter<T>(body: () => Promise<T>): Promise<T>
  /** A padded batch as flat tokens, as passes take them. */
  flatten(inputs: ForwardInputs): FlatTokens
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
