import { readForeign } from '../../formats/foreign/index.ts'
import type { Problem } from '../../error.ts'
import { generationKeys, unobeyedSettings } from './generation-keys.ts'
import type { JsonObject } from '../json.ts'

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
  /** Longest sequence, its prompt included; where `maxNewTokens` is given it does not count. */
  maxLength?: number
  minNewTokens?: number
  minLength?: number
  suppressTokens?: number[]
  beginSuppressTokens?: number[]
  badWordsIds?: number[][]
  noRepeatNgramSize?: number
  stopStrings?: string | string[]
  forcedBosTokenId?: number
  forcedEosTokenId?: number | number[]
  /** What it asks for that fettle does not do: whoever generates by it stops and says so. */
  unobeyed?: readonly Problem[]
  /** Its keys that fettle does not know, in one message. */
  unread?: readonly Problem[]
  /** The file, for messages. */
  place?: string
  /** The file's own keys, also those that fettle does not know. */
  raw: JsonObject
}

/** Keys of the file and our names of them; `eos_token_id` is beside. */
const names = {
  bos_token_id: 'bosTokenId',
  pad_token_id: 'padTokenId',
  do_sample: 'doSample',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  min_p: 'minP',
  repetition_penalty: 'repetitionPenalty',
  max_new_tokens: 'maxNewTokens',
  max_length: 'maxLength',
  min_new_tokens: 'minNewTokens',
  min_length: 'minLength',
  suppress_tokens: 'suppressTokens',
  begin_suppress_tokens: 'beginSuppressTokens',
  bad_words_ids: 'badWordsIds',
  no_repeat_ngram_size: 'noRepeatNgramSize',
  stop_strings: 'stopStrings',
  forced_bos_token_id: 'forcedBosTokenId',
  forced_eos_token_id: 'forcedEosTokenId',
} as const

/**
 * The fields of a generation_config.json. `eos_token_id` is an id, a list of ids, or null.
 *
 * @param place  the file, for error messages
 * @throws FettleError for every key with a value that it cannot have: an end token that is no id would never end an answer
 */
export function parseGenerationConfig(raw: JsonObject, place = 'generation_config.json'): GenerationConfig {
  const { values, notices } = readForeign(generationKeys, raw, place)
  const eos = values.eos_token_id ?? []
  // Some files list the one token that begins a text.
  const bos = Array.isArray(values.bos_token_id) ? values.bos_token_id[0] : values.bos_token_id
  const all: Record<string, unknown> = { ...values, bos_token_id: bos }
  const given = Object.entries(names).flatMap(([key, name]) =>
    all[key] === undefined || all[key] === null ? [] : [[name, all[key]] as const],
  )
  const unobeyed = unobeyedSettings(raw, place)
  return {
    eosTokenIds: typeof eos === 'number' ? [eos] : eos,
    ...(Object.fromEntries(given) as Partial<GenerationConfig>),
    ...(unobeyed.length > 0 && { unobeyed }),
    ...(notices.length > unobeyed.length && { unread: notices.slice(unobeyed.length) }),
    place,
    raw,
  }
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
  for (const [key, name] of Object.entries(names))
    if (JSON.stringify(config[name]) !== JSON.stringify(read[name])) set(key, config[name])
  return json
}
