import { FettleError } from '../error.ts'
import type { Problem } from '../error.ts'
import type { Drafter } from './drafter.ts'

/** How new tokens are chosen and when to end; names, defaults and meaning as in Hugging Face's generate. */
export interface GenerateOptions {
  /** Default 256. */
  maxNewTokens?: number
  /** Draw from the distribution; without it the most likely token is taken. */
  doSample?: boolean
  /** Divides the logits before sampling; default 1. */
  temperature?: number
  /** Keep the k most likely tokens (ties too); default 50, 0 keeps all. */
  topK?: number
  /** Keep the fewest most likely tokens whose probabilities reach this sum; default 1, which keeps all. */
  topP?: number
  /** Keep tokens at least this fraction as likely as the most likely one. */
  minP?: number
  /** Logits of tokens already in prompt or answer are divided by it (multiplied when negative); default 1. */
  repetitionPenalty?: number
  /** Makes sampling repeatable; each row has its own stream, so a row does not depend on its neighbours. */
  seed?: number
  /**
   * Guess so many tokens where the text repeats itself: what followed the last time that its latest tokens were there. The
   * answer is the same, sooner; for one prompt at a time. Default 0: no guesses.
   */
  promptLookupNumTokens?: number
  /** Guesses tokens in another way, for one prompt at a time. */
  drafter?: Drafter | undefined
  /** A sequence ends with any of these, which is its last token. */
  stopTokenIds?: readonly number[]
  /**
   * Called with each new token as it is made, the stop token included, the row of the batch that it belongs to and, with its
   * last one, why the row ended.
   */
  onToken?: (token: number, row: number, finishReason: 'stop' | 'length' | null) => void
  /** Ends generation before the next token; what is there is returned. */
  signal?: AbortSignal
  /** How many first tokens of each prompt the decoder's slot already holds from an earlier call. */
  cachedTokens?: readonly number[]
}

/** Options with their defaults filled in. */
export interface Settings {
  maxNewTokens: number
  doSample: boolean
  temperature: number
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  promptLookupNumTokens: number
  seed: number
}

/** Each numeric option's default and what it must be. */
const limits: Record<
  Exclude<keyof Settings, 'doSample' | 'seed'>,
  { fallback: number; expected: string; holds: (value: number) => boolean }
> = {
  maxNewTokens: {
    fallback: 256,
    expected: 'a whole number from 1',
    holds: (n) => Number.isInteger(n) && n >= 1,
  },
  temperature: {
    fallback: 1,
    expected: 'a number above 0; doSample: false takes the most likely token',
    holds: (n) => n > 0 && n < Infinity,
  },
  topK: { fallback: 50, expected: 'a whole number from 0', holds: (n) => Number.isInteger(n) && n >= 0 },
  topP: { fallback: 1, expected: 'a number from 0 to 1', holds: (n) => n >= 0 && n <= 1 },
  minP: { fallback: 0, expected: 'a number from 0 to 1', holds: (n) => n >= 0 && n <= 1 },
  repetitionPenalty: { fallback: 1, expected: 'a number above 0', holds: (n) => n > 0 && n < Infinity },
  promptLookupNumTokens: {
    fallback: 0,
    expected: 'a whole number from 0',
    holds: (n) => Number.isInteger(n) && n >= 0,
  },
}

/**
 * Fills in defaults.
 *
 * @throws FettleError that lists every option with a value it cannot have
 */
export function readSettings(options: GenerateOptions): Settings {
  const problems: Problem[] = []
  const number = (name: keyof typeof limits): number => {
    const { fallback, expected, holds } = limits[name]
    const value = options[name] ?? fallback
    if (!holds(value)) problems.push({ place: name, found: String(value), expected })
    return value
  }
  const settings: Settings = {
    maxNewTokens: number('maxNewTokens'),
    doSample: options.doSample ?? false,
    temperature: number('temperature'),
    topK: number('topK'),
    topP: number('topP'),
    minP: number('minP'),
    repetitionPenalty: number('repetitionPenalty'),
    promptLookupNumTokens: number('promptLookupNumTokens'),
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
  }
  if (problems.length > 0) throw new FettleError(problems)
  return settings
}
