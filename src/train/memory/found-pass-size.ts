import { passSize, type PassSize } from './pass-size.ts'

/** What a run takes besides the activations of its passes, in bytes. */
export interface RunBytes {
  /** Node, tokenizer, data: what the process has before it trains; default what it usually is. */
  own?: number
  /** Frozen weights, as they are held. */
  weights: number
  /** Parameters that are trained, with their gradients and what the optimiser remembers. */
  trained: number
  /** Activations of a token until the backward pass. */
  perToken: number
}

/** Passes that fit the memory that there is. */
export interface FoundPassSize extends PassSize {
  /** What the run takes with them. */
  neededBytes: number
  /** Whether that is there. */
  fits: boolean
}

/** What a process has, where nobody looked. */
const usualOwn = 256 * 2 ** 20
/** What comes on top of it: the head's logits of some rows, compiled passes, buffers. */
const onTop = 64 * 2 ** 20
/** The share of the memory that is counted on: other programs need some, too, and all of this is an estimate. */
const countedOn = 0.9
/** Beside what is kept for the backward pass, gradients of a layer and what is between two kernels. */
const temporaries = 1.3
/** Smaller passes save little more, and take longer than the rest of a step. */
const leastTokens = 64
/** So that a run begun a moment later finds the same. */
const roundedTo = 32 * 2 ** 20

/**
 * The largest passes that memory has room for, at most those of a run that does not look. As a step is divided into passes, whatever its
 * rows, this is what its memory depends on; the loss and the rows of a step do not.
 *
 * @param memoryBytes  what the process may have in all
 */
export function findPassSize(
  { own = usualOwn, weights, trained, perToken }: RunBytes,
  lowMemory: boolean,
  memoryBytes: number,
): FoundPassSize {
  const usual = passSize(perToken, lowMemory)
  const fixed = own + onTop + weights + trained
  const room = countedOn * memoryBytes - fixed
  const forActivations = Math.floor(room / temporaries / roundedTo) * roundedTo
  const least = leastTokens * perToken
  const activationBytes = Math.min(usual.activationBytes, Math.max(least, forActivations))
  const perPass = Math.max(leastTokens, Math.min(usual.perPass, Math.floor(activationBytes / perToken)))
  const neededBytes = fixed + temporaries * perPass * perToken
  return { perPass, activationBytes, neededBytes, fits: neededBytes <= countedOn * memoryBytes }
}
