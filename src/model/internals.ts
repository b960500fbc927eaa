import type { FlatTokens, ForwardInputs } from './passes/flatten.ts'
import type { Optimiser } from './passes/optimiser.ts'
import type { Passes } from './passes/passes.ts'
import type { trainingState } from './passes/training-state.ts'
import type { InTurn } from './queue.ts'
import type { ModelState } from './state/model-state.ts'

/** What the training loop works with. Each function waits for the model's calls before it. */
export type Training = InTurn<
  Omit<ReturnType<typeof trainingState>, 'optimiser'> & Pick<Passes, 'losses'>
> & {
  optimiser: InTurn<Optimiser>
}

/** What the other rooms need of a model and its users do not. */
export interface ModelInternals {
  readonly state: ModelState
  /** Forward and backward passes over flat tokens, each of which waits for the model's calls before it. */
  readonly passes: Passes
  /** Makes everything trainable where there is no adapter. */
  makeTrainable(): Promise<void>
  /** `makeTrainable`, and what a training loop works with then. */
  training(): Promise<Training>
  /** Passes by the model as it was before its adapter, in one turn; where there is no adapter as it is. */
  withoutAdapter<T>(body: (passes: Passes) => Promise<T>): Promise<T>
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
