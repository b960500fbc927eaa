import type { GenerateOptions } from '../../generate/index.ts'
import type { LoadedModel } from '../../pipeline/index.ts'
import { parseGenerationConfig } from '../../tokenizer/index.ts'
import type { FlagValues } from '../command.ts'

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
  stop: {
    type: 'string',
    hint: 'text',
    repeats: true,
    description: 'Ends an answer before this text, also inside of a token; may be given several times',
  },
  seed: { type: 'number', description: 'Makes draws repeatable; each row of a file has draws of its own' },
  ignoreGenerationConfig: {
    type: 'boolean',
    description: 'Reads nothing of generation_config.json but the tokens that end an answer',
  },
} as const

/**
 * The flags as generate's options; what they leave open, generation_config.json says. A flag that only means something
 * when sampling turns it on, and temperature 0 turns it off.
 *
 * @param stop  every `--stop`
 */
export function samplingOptions(
  flags: FlagValues<typeof samplingFlags>,
  stop: readonly string[],
  { model, tokenizer }: Pick<LoadedModel, 'model' | 'tokenizer'>,
): GenerateOptions {
  if (flags.ignoreGenerationConfig === true) {
    const { eos_token_id, bos_token_id, pad_token_id } = model.generationConfig.raw
    model.generationConfig = parseGenerationConfig({ eos_token_id, bos_token_id, pad_token_id })
  }
  const asksToSample = [flags.temperature, flags.topK, flags.topP, flags.minP].some(
    (value) => value !== undefined,
  )
  const greedy = flags.temperature === 0
  const stopStrings = stop.length > 0 ? stop : model.generationConfig.stopStrings
  return defined({
    maxNewTokens: flags.maxNewTokens,
    doSample: greedy ? false : (flags.doSample ?? (asksToSample || undefined)),
    temperature: greedy ? undefined : flags.temperature,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    repetitionPenalty: flags.repetitionPenalty,
    promptLookupNumTokens: flags.promptLookupNumTokens,
    stopStrings,
    tokenizer: stopStrings === undefined ? undefined : tokenizer,
    seed: flags.seed,
  })
}

/** The entries that have a value. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
