import type { GenerateOptions } from './options.ts'

/**
 * What a model's generation_config.json asks for, as generate's options; what is absent or null stays absent.
 * Its `max_new_tokens` and `max_length` are left to the caller, who knows the room there is.
 */
export function generationDefaults(config: Record<string, unknown>): GenerateOptions {
  const number = (key: string): number | undefined => {
    const value = config[key]
    return typeof value === 'number' ? value : undefined
  }
  const read: GenerateOptions = {
    doSample: config['do_sample'] === true ? true : undefined,
    temperature: number('temperature'),
    topK: number('top_k'),
    topP: number('top_p'),
    minP: number('min_p'),
    repetitionPenalty: number('repetition_penalty'),
  }
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))
}
