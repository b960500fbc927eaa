import { FettleError } from '../error.ts'
import type { JsonObject } from './json.ts'

/** What a model's generation_config.json says, as far as fettle uses it; all of it is in `raw`. */
export interface GenerationConfig {
  /** Tokens that end generation. */
  eosTokenIds: number[]
  bosTokenId?: number
  padTokenId?: number
  doSample?: boolean
  temperature?: number
  topK?: number
  topP?: number
  minP?: number
  repetitionPenalty?: number
  maxNewTokens?: number
  /** The file's own keys, also those that fettle does not know. */
  raw: JsonObject
}

const numberKeys = {
  bos_token_id: 'bosTokenId',
  pad_token_id: 'padTokenId',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  min_p: 'minP',
  repetition_penalty: 'repetitionPenalty',
  max_new_tokens: 'maxNewTokens',
} as const

/**
 * The fields of a generation_config.json. `eos_token_id` is an id, a list of ids, or null.
 *
 * @param place  the file, for error messages
 * @throws FettleError for an end token that is no id: it would never end an answer
 */
export function parseGenerationConfig(raw: JsonObject, place = 'generation_config.json'): GenerationConfig {
  const config: GenerationConfig = { eosTokenIds: readIds(raw.eos_token_id ?? [], place), raw }
  for (const [key, name] of Object.entries(numberKeys)) {
    const value = raw[key]
    if (typeof value === 'number') config[name] = value
  }
  if (typeof raw.do_sample === 'boolean') config.doSample = raw.do_sample
  return config
}

function readIds(value: unknown, place: string): number[] {
  const ids: unknown[] = Array.isArray(value) ? value : [value]
  return ids.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id)) return id
    throw new FettleError({
      place: `${place}: eos_token_id`,
      found: JSON.stringify(value),
      expected: 'the id of a token, or a list of ids',
      cure: 'Correct it there, or download the file again.',
    })
  })
}

/**
 * The way back: the keys of generation_config.json with the fields as they are now. A key whose field did not change
 * stays as the file wrote it; one end token is written as a number, several as a list.
 */
export function formatGenerationConfig(config: GenerationConfig): JsonObject {
  const read = parseGenerationConfig(config.raw)
  const json = { ...config.raw }
  const set = (key: string, value: unknown): void => {
    if (value === undefined) delete json[key]
    else json[key] = value
  }
  const { eosTokenIds } = config
  if (eosTokenIds.join() !== read.eosTokenIds.join())
    set('eos_token_id', eosTokenIds.length > 1 ? [...eosTokenIds] : eosTokenIds[0])
  for (const [key, name] of Object.entries(numberKeys))
    if (config[name] !== read[name]) set(key, config[name])
  if (config.doSample !== read.doSample) set('do_sample', config.doSample)
  return json
}
