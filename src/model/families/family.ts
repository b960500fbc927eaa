import type { z } from 'zod'
import type { Architecture } from '../blocks/architecture.ts'
import type { CommonConfig } from './keys.ts'
import { readKeys } from './keys.ts'

/** What every config.json says beside the architecture. */
export interface ModelConfig {
  modelType: string
  bosTokenId: number | null
  eosTokenIds: readonly number[]
  /** config.json as it was read; kept for saving. */
  raw: Record<string, unknown>
}

/** A model without its numbers. */
export interface ModelDescription {
  config: ModelConfig
  architecture: Architecture
}

/** What of config.json the metadata of a GGUF file say, beside what they say of every architecture (gguf-config.ts). */
export interface GgufKeys {
  /** `general.architecture` */
  architecture: string
  /** Keys of config.json that are true where the file has this tensor. */
  tensors?: Readonly<Record<string, string>>
  /** Other keys of config.json, from the numbers of the architecture's metadata. */
  metadata?(number: (key: string) => number | undefined): Record<string, unknown>
}

/**
 * A family of models: what it reads of config.json, the parameters and layers that this describes, and what its files
 * call them. Everything else in model/ works from the architecture.
 */
export interface Family {
  /** `model_type` of config.json. */
  modelType: string
  /** The class of transformers, as `architectures` of config.json names it. */
  className: string
  gguf: GgufKeys
  /** Keys of config.json that it obeys. */
  keys: readonly string[]
  /** @throws FettleError that lists every key of config.json with a value that it cannot have */
  read(raw: Record<string, unknown>, place: string): ModelDescription
}

/**
 * A family from a schema of its keys, with the defaults of the class that writes the file, and what they describe.
 */
export function defineFamily<Keys extends z.ZodObject>({
  keys,
  describe,
  ...family
}: Pick<Family, 'modelType' | 'className' | 'gguf'> & {
  keys: Keys
  describe: (config: z.output<Keys> & CommonConfig) => Architecture
}): Family {
  return {
    ...family,
    keys: Object.keys(keys.shape),
    read(raw, place) {
      const config = readKeys(keys, raw, place) as z.output<Keys> & CommonConfig
      const eos = config.eos_token_id
      return {
        config: {
          modelType: family.modelType,
          bosTokenId: config.bos_token_id,
          eosTokenIds: eos === null ? [] : [eos].flat(),
          raw,
        },
        architecture: describe(config),
      }
    },
  }
}
