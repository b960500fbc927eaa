import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FettleError } from '../error.ts'
import { readGguf } from '../formats/index.ts'
import { readObject } from './files.ts'
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
 * Reads generation_config.json of a model folder, or what stands for it in a GGUF file. Token ids that are
 * missing there are taken from config.json; a folder without either has no end tokens of its own.
 */
export async function readGenerationConfig(path: string): Promise<GenerationConfig> {
  if (path.endsWith('.gguf')) return readFromGguf(path)
  const optional = async (name: string) =>
    existsSync(join(path, name)) ? await readObject(join(path, name)) : {}
  const raw = await optional('generation_config.json')
  const { eos_token_id, bos_token_id, pad_token_id } = await optional('config.json')
  const place = join(path, 'eos_token_id' in raw ? 'generation_config.json' : 'config.json')
  return parse({ eos_token_id, bos_token_id, pad_token_id, ...raw }, raw, place)
}

function parse(values: JsonObject, raw: JsonObject, place: string): GenerationConfig {
  const config: GenerationConfig = { eosTokenIds: readIds(values.eos_token_id ?? [], place), raw }
  for (const [key, name] of Object.entries(numberKeys)) {
    const value = values[key]
    if (typeof value === 'number') config[name] = value
  }
  if (typeof values.do_sample === 'boolean') config.doSample = values.do_sample
  return config
}

/** An id that is none would never end an answer. */
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

function readFromGguf(path: string): GenerationConfig {
  const { metadata } = readGguf(path)
  const id = (name: string) => metadata.get(`tokenizer.ggml.${name}_token_id`)
  const raw = {
    // llama.cpp stops at the ends of text, of turn and of message.
    eos_token_id: [...new Set([id('eos'), id('eot'), id('eom')])].filter((value) => value !== undefined),
    bos_token_id: id('bos'),
    pad_token_id: id('padding'),
  }
  return parse(raw, raw, path)
}
