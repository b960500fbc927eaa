import { FettleError, quoteValue, withArticle } from '../error.ts'
import type { Problem } from '../error.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
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
  /** No stop token before so many new tokens. */
  minNewTokens?: number
  /** No stop token before the sequence, its prompt included, has so many. */
  minLength?: number
  /** Tokens that never come. */
  suppressTokens?: readonly number[]
  /** Tokens that do not come first. */
  beginSuppressTokens?: readonly number[]
  /** Sequences of tokens that never come. */
  badWordsIds?: readonly (readonly number[])[]
  /** No sequence of so many tokens comes twice, the prompt included; 0: any may. */
  noRepeatNgramSize?: number
  /** The first token after a prompt of a single one. */
  forcedBosTokenId?: number | null
  /** What comes last where an answer is cut off at its longest length. */
  forcedEosTokenId?: number | readonly number[] | null
  /**
   * Makes sampling repeatable; each row has its own stream of random numbers, so a row does not depend on its neighbours.
   */
  seed?: number
  /** Which row the first prompt is of a file that is answered part by part: the stream belongs to the row. Default 0. */
  firstRow?: number
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
   * A sequence ends with the token that completes any of these texts in the answer, wherever in a token it begins or ends. Needs
   * `tokenizer`. Text ends before it.
   */
  stopStrings?: string | readonly string[]
  /** Reads the text that `stopStrings` are looked for in. */
  tokenizer?: Pick<Tokenizer, 'createDecodeStream'>
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
export interface Settings extends Required<
  Pick<GenerateOptions, NumberName | ListName | 'doSample' | 'seed'>
> {
  badWordsIds: readonly (readonly number[])[]
  forcedBosTokenId: number | null
  forcedEosTokenId: readonly number[]
  stopStrings: readonly string[]
}

const whole = (n: number): boolean => Number.isInteger(n) && n >= 0

/** Each numeric option's default and what it must be. */
const limits = {
  maxNewTokens: {
    fallback: 256,
    expected: 'a whole number from 1',
    holds: (n: number) => whole(n) && n >= 1,
  },
  temperature: {
    fallback: 1,
    expected: 'a number above 0; doSample: false takes the most likely token',
    holds: (n: number) => n > 0 && n < Infinity,
  },
  topK: { fallback: 50, expected: 'a whole number from 0', holds: whole },
  topP: { fallback: 1, expected: 'a number from 0 to 1', holds: (n: number) => n >= 0 && n <= 1 },
  minP: { fallback: 0, expected: 'a number from 0 to 1', holds: (n: number) => n >= 0 && n <= 1 },
  repetitionPenalty: {
    fallback: 1,
    expected: 'a number above 0',
    holds: (n: number) => n > 0 && n < Infinity,
  },
  promptLookupNumTokens: { fallback: 0, expected: 'a whole number from 0', holds: whole },
  minNewTokens: { fallback: 0, expected: 'a whole number from 0', holds: whole },
  minLength: { fallback: 0, expected: 'a whole number from 0', holds: whole },
  noRepeatNgramSize: { fallback: 0, expected: 'a whole number from 0', holds: whole },
  firstRow: { fallback: 0, expected: 'a whole number from 0', holds: whole },
} as const

type NumberName = keyof typeof limits
type ListName = 'suppressTokens' | 'beginSuppressTokens'

/** What is wrong with numbers that somebody else chose; `problemOf` says where each stands. */
export function wrongNumbers(
  options: { readonly [K in NumberName]?: unknown },
  problemOf: (name: NumberName, value: unknown, expected: string) => Problem,
): Problem[] {
  const known = Object.keys(limits) as NumberName[]
  return known.flatMap((name) => {
    const { expected, holds } = limits[name]
    const value = options[name]
    const isRight = value === undefined || (typeof value === 'number' && holds(value))
    return isRight ? [] : [problemOf(name, value, expected)]
  })
}

/**
 * Fills in defaults.
 *
 * @throws FettleError that lists every option with a value it cannot have
 */
export function readSettings(options: GenerateOptions): Settings {
  const problems: Problem[] = []
  const number = (name: NumberName): number => {
    const { fallback, expected, holds } = limits[name]
    const value = options[name] ?? fallback
    if (typeof value !== 'number' || !holds(value))
      problems.push({ place: name, found: quoteValue(value), expected })
    return value
  }
  const ids = (name: string, given: number | readonly number[] | null | undefined): readonly number[] => {
    const list = typeof given === 'number' ? [given] : (given ?? [])
    const isRight = Array.isArray(list) && list.every((id) => typeof id === 'number' && whole(id))
    if (!isRight) problems.push({ place: name, found: quoteValue(given), expected: 'ids of tokens' })
    return isRight ? list : []
  }
  const words = options.badWordsIds ?? []
  if (!Array.isArray(words) || words.some((word) => !Array.isArray(word) || word.length === 0))
    problems.push({ place: 'badWordsIds', found: quoteValue(words), expected: 'lists of ids of tokens' })
  for (const name of ['doSample', 'seed', 'onToken'] as const) {
    const value: unknown = options[name]
    const wanted = { doSample: 'boolean', seed: 'number', onToken: 'function' }[name]
    if (value !== undefined && value !== null && typeof value !== wanted)
      problems.push({
        place: name,
        found: quoteValue(value),
        expected: wanted === 'boolean' ? 'true or false' : withArticle(wanted),
      })
  }
  ids('stopTokenIds', options.stopTokenIds)
  const [forcedBosTokenId = null] = ids('forcedBosTokenId', options.forcedBosTokenId)
  const settings: Settings = {
    maxNewTokens: number('maxNewTokens'),
    doSample: options.doSample ?? false,
    temperature: number('temperature'),
    topK: number('topK'),
    topP: number('topP'),
    minP: number('minP'),
    repetitionPenalty: number('repetitionPenalty'),
    promptLookupNumTokens: number('promptLookupNumTokens'),
    minNewTokens: number('minNewTokens'),
    minLength: number('minLength'),
    suppressTokens: ids('suppressTokens', options.suppressTokens),
    beginSuppressTokens: ids('beginSuppressTokens', options.beginSuppressTokens),
    badWordsIds: Array.isArray(words) ? words.map((word: readonly number[]) => ids('badWordsIds', word)) : [],
    noRepeatNgramSize: number('noRepeatNgramSize'),
    forcedBosTokenId,
    forcedEosTokenId: ids('forcedEosTokenId', options.forcedEosTokenId).toSorted((a, b) => a - b),
    stopStrings: readStopStrings(options, problems),
    firstRow: number('firstRow'),
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
  }
  if (settings.minNewTokens > settings.maxNewTokens)
    problems.push({
      place: 'minNewTokens',
      found: String(settings.minNewTokens),
      expected: `at most maxNewTokens, ${settings.maxNewTokens}`,
    })
  if (problems.length > 0) throw new FettleError(problems)
  return settings
}

function readStopStrings(
  { stopStrings = [], tokenizer }: GenerateOptions,
  problems: Problem[],
): readonly string[] {
  const strings = typeof stopStrings === 'string' ? [stopStrings] : stopStrings
  if (!Array.isArray(strings) || strings.some((text) => typeof text !== 'string' || text === ''))
    problems.push({
      place: 'stopStrings',
      found: quoteValue(stopStrings),
      expected: 'texts that are not empty',
    })
  else if (strings.length > 0 && !tokenizer)
    problems.push({
      place: 'stopStrings',
      found: 'no tokenizer beside it',
      expected: 'the tokenizer that reads the text of the answer',
      cure: 'Give it as the option tokenizer.',
    })
  return Array.isArray(strings) ? strings : []
}
