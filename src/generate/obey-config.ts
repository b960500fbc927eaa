import { FettleError, quoteValue } from '../error.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import { wrongNumbers, type GenerateOptions } from './options.ts'

/** Options, with the longest length beside. */
export interface LengthOptions extends GenerateOptions {
  /** Longest sequence, its prompt included; beside `maxNewTokens`, whichever comes first. Default: no limit. */
  maxLength?: number
}

/**
 * Options with what generation_config.json says where they say nothing, as in Hugging Face's generate: how tokens are drawn
 * counts where they are drawn, and the file's `max_length` where nobody says how many tokens are new.
 *
 * @throws FettleError that lists what the file asks for and fettle does not do, and its numbers that nothing can be done with
 */
export function obeyGenerationConfig<T extends LengthOptions>(options: T, config: GenerationConfig): T {
  const { unobeyed = [], eosTokenIds, doSample, temperature, topK, topP, minP } = config
  if (unobeyed.length > 0) throw new FettleError(unobeyed)
  const draws = options.doSample ?? doSample ?? false
  const { repetitionPenalty, minNewTokens, minLength, suppressTokens, beginSuppressTokens, badWordsIds } =
    config
  const { noRepeatNgramSize, stopStrings, forcedBosTokenId, forcedEosTokenId } = config
  const ofFile: LengthOptions = {
    stopTokenIds: eosTokenIds,
    ...given({
      repetitionPenalty,
      minNewTokens,
      minLength,
      suppressTokens,
      beginSuppressTokens,
      badWordsIds,
    }),
    ...given({ noRepeatNgramSize, stopStrings, forcedBosTokenId, forcedEosTokenId }),
    ...(draws && given({ temperature, topK, topP, minP })),
  }
  const all = { ...ofFile, ...given(options), ...lengths(options, config), doSample: draws } as T
  refuseNumbers({ ...ofFile, ...undefinedOf(options) }, all, config)
  return all
}

/** Nobody finds a number of the file by the name of an option that was not given. */
function refuseNumbers(
  ofFile: LengthOptions,
  all: LengthOptions,
  { place = 'generation_config.json' }: GenerationConfig,
): void {
  const problems = wrongNumbers(ofFile, (name, value, expected) => ({
    place,
    found: `${snakeCase(name)}: ${quoteValue(value)}`,
    expected: snakeCase(expected),
    cure: `Correct the file, or give ${name}.`,
  }))
  const { minNewTokens = 0 } = ofFile
  if (problems.length === 0 && all.maxNewTokens !== undefined && minNewTokens > all.maxNewTokens)
    problems.push({
      place,
      found: `min_new_tokens: ${minNewTokens}`,
      expected: `at most the ${all.maxNewTokens} new tokens that there may be`,
      cure: 'Correct the file, or give minNewTokens.',
    })
  if (problems.length > 0) throw new FettleError(problems)
}

/** `topP` as files spell it. */
function snakeCase(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** What was given counts, whatever the file says. */
function undefinedOf(options: LengthOptions): { [K in keyof LengthOptions]?: undefined } {
  return Object.fromEntries(Object.keys(given(options)).map((name) => [name, undefined]))
}

/** How long an answer may be. */
function lengths(options: LengthOptions, config: GenerationConfig): LengthOptions {
  if (options.maxNewTokens !== undefined) return {}
  if (config.maxNewTokens !== undefined) return { maxNewTokens: Math.max(1, config.maxNewTokens) }
  if (config.maxLength === undefined) return {}
  const maxLength = Math.min(options.maxLength ?? Infinity, config.maxLength)
  return { maxNewTokens: Math.max(1, config.maxLength), maxLength }
}

/** The entries that have a value. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
