import type { GenerateOptions } from '../generate/index.ts'
import type { GenerationConfig } from '../tokenizer/index.ts'
import type { FlagValues } from './command.ts'

/** How answers are chosen: the flags of generate and chat. */
export const samplingFlags = {
  maxNewTokens: { type: 'number', description: 'Longest answer in tokens; default 256' },
  doSample: {
    type: 'boolean',
    description:
      'Draws tokens at random; --no-do-sample takes the most likely one. Follows from the flags below',
  },
  temperature: {
    type: 'number',
    description: 'Below 1 bolder choices of the likely, above 1 more varied; 0 takes the most likely',
  },
  topK: { type: 'number', description: 'Draws from the k most likely tokens; default 50, 0 for all' },
  topP: {
    type: 'number',
    description: 'Draws from the most likely tokens that together have this probability',
  },
  minP: {
    type: 'number',
    description: 'Draws from tokens at least this fraction as likely as the most likely',
  },
  repetitionPenalty: { type: 'number', description: 'Above 1 makes tokens that were there less likely' },
  promptLookupNumTokens: {
    type: 'number',
    description:
      'Guesses so many tokens at once where the text repeats itself: the same answer, sooner; try 10',
  },
  seed: { type: 'number', description: 'Makes draws repeatable' },
} as const

/**
 * The flags as generate's options. What no flag says, generation_config.json says; a flag that only means something
 * when sampling turns it on, and temperature 0 turns it off.
 */
export function samplingOptions(
  flags: FlagValues<typeof samplingFlags>,
  { doSample, temperature, topK, topP, minP, repetitionPenalty }: Partial<GenerationConfig>,
): GenerateOptions {
  const asksToSample = [flags.temperature, flags.topK, flags.topP, flags.minP].some(
    (value) => value !== undefined,
  )
  const greedy = flags.temperature === 0
  return defined({
    maxNewTokens: flags.maxNewTokens,
    doSample: greedy ? false : (flags.doSample ?? (asksToSample || doSample)),
    temperature: greedy ? undefined : (flags.temperature ?? temperature),
    topK: flags.topK ?? topK,
    topP: flags.topP ?? topP,
    minP: flags.minP ?? minP,
    repetitionPenalty: flags.repetitionPenalty ?? repetitionPenalty,
    promptLookupNumTokens: flags.promptLookupNumTokens,
    seed: flags.seed,
  })
}

/** The entries that have a value. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
