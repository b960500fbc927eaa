import type { z } from 'zod'
import { FettleError, quoteValue, type Problem } from '../../error.ts'
import { readForeign, type ForeignKeys } from '../../formats/foreign/index.ts'
import type { Architecture } from '../blocks/architecture.ts'
import type { FurtherGgufKey, GgufConfig } from './gguf/gguf-keys.ts'
import type { GgufMetadata } from './gguf/gguf-metadata.ts'
import { commonHarmless, commonUnobeyed, type CommonConfig } from './keys/every-model.ts'
import { ropeWithin } from './keys/rope-keys.ts'
import { unless, type KeyProblem } from './keys/values.ts'

/** What every config.json says beside the architecture. */
export interface ModelConfig {
  modelType: string
  bosTokenId: number | null
  eosTokenIds: readonly number[]
  /** config.json as it was read, or its part for the text model; kept for saving. */
  raw: Record<string, unknown>
  /** What the tensors of embedding and layers are called under; `model` but where a text model is inside of another one. */
  root: string
}

/** A model without its numbers. */
export interface ModelDescription {
  config: ModelConfig
  architecture: Architecture
  /** What its files say that is not read or not obeyed. */
  notices: readonly Problem[]
  /** How a GGUF file of it is written; null: none is. */
  gguf: GgufDescription | null
}

/** What a GGUF file says of a model. */
export interface GgufDescription {
  /** `general.architecture` */
  architecture: string
  /** Keys of the architecture, without its name in front. */
  metadata: GgufMetadata
  /** What of the model such a file cannot say, and llama.cpp computes otherwise. */
  lost: readonly KeyProblem[]
}

/** What of config.json the metadata of a GGUF file say, beside what they say of every architecture (gguf-config.ts). */
export interface GgufKeys {
  /** `general.architecture` */
  architecture: string
  /** Of several families with this architecture: the one whose files have this key, and not 0. */
  marked?: FurtherGgufKey
  /** Keys of the metadata that it obeys beside those that every family does. */
  obeys?: readonly FurtherGgufKey[]
  /** Keys of config.json that are true where the file has this tensor. */
  tensors?: Readonly<Record<string, string>>
  /** Other keys of config.json, from the architecture's metadata; `rope` is the rotation that they say, and `shapeOf` a tensor's shape. */
  metadata?(
    values: GgufConfig,
    rope: Record<string, unknown>,
    shapeOf: (tensor: string) => readonly number[] | undefined,
  ): Record<string, unknown>
}

/** What a family writes into GGUF files, from the keys of its config.json. */
interface GgufWriting<Config> {
  /** Of the files that are written, where others are read, too. */
  writtenArchitecture?: string
  /** The keys of the architecture; without it no files are written. */
  write?(config: Config): GgufMetadata
  /** What of a model such a file cannot say. */
  lost?(config: Config): readonly KeyProblem[]
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
  /** Its class for sequence classification, which reward models are; default called as `className` is; null: there is none. */
  classifierName?: string | null
  /** null: its GGUF files are not read. */
  gguf: GgufKeys | null
  /** Keys of config.json that it obeys. */
  keys: readonly string[]
  /**
   * @param stored  what the weights have, where there are weights
   * @param root  what the tensors are called under, default `model`
   * @throws FettleError that lists every key of config.json with a value that it cannot have, or that it does not obey
   */
  read(raw: Record<string, unknown>, place: string, stored?: StoredNames, root?: string): ModelDescription
}

/** Which tensors a file has, as far as it decides what a family describes. */
export interface StoredNames {
  /** How many layers: no others are described. */
  layers: number
  /** Whether it has a tensor of this name. */
  has(name: string): boolean
}

/** Where there are no weights, any layers, and the names that Transformers saves. */
const nothingStored: StoredNames = { layers: Number.POSITIVE_INFINITY, has: () => false }

/** `root` is what the tensors are called under. */
type FamilyConfig = CommonConfig & { root: string }

/**
 * A family from a schema of its keys, with the defaults of the class that writes the file, and what they describe.
 *
 * @param unobeyed  keys that change what this class computes, and that it does not obey
 * @param harmless  keys of this class that change nothing of what it computes
 * @param within    keys of objects in the file; default those of one rotation
 * @param layersKey the key that counts the layers; default num_hidden_layers
 * @param check     what is wrong with several keys together
 */
export function defineFamily<Keys extends z.ZodObject>({
  keys,
  unobeyed,
  harmless = [],
  within = ropeWithin,
  layersKey = 'num_hidden_layers',
  check,
  describe,
  gguf,
  ...family
}: Pick<Family, 'modelType' | 'className' | 'classifierName'> & {
  gguf: (GgufKeys & GgufWriting<z.output<Keys> & FamilyConfig>) | null
  keys: Keys
  unobeyed?: ForeignKeys['unobeyed']
  harmless?: readonly string[]
  within?: ForeignKeys['within']
  layersKey?: keyof Keys['shape'] & string
  check?: (config: z.output<Keys> & FamilyConfig) => readonly KeyProblem[]
  describe: (config: z.output<Keys> & FamilyConfig, stored: StoredNames) => Architecture
}): Family {
  const known = {
    obeyed: keys,
    harmless: [...commonHarmless, ...harmless],
    unobeyed: { ...commonUnobeyed, ...unobeyed },
    within: within,
  }
  return {
    ...family,
    gguf,
    keys: Object.keys(keys.shape),
    read(raw, place, stored = nothingStored, root = 'model') {
      const { values, notices } = readForeign(known, raw, place)
      const config = { ...(values as z.output<Keys> & CommonConfig), root }
      const problems = [
        ...countLayers(layersKey, config[layersKey], stored.layers),
        ...(check?.(config) ?? []),
      ]
      if (problems.length > 0)
        throw new FettleError(
          problems.map(({ key, ...rest }) => ({
            place,
            found: `${key}: ${quoteValue(config[key])}`,
            ...rest,
          })),
        )
      const eos = config.eos_token_id
      return {
        config: {
          modelType: family.modelType,
          bosTokenId: config.bos_token_id,
          eosTokenIds: eos === null ? [] : [eos].flat(),
          raw,
          root,
        },
        architecture: describe(config, stored),
        notices,
        gguf: gguf?.write
          ? {
              architecture: gguf.writtenArchitecture ?? gguf.architecture,
              metadata: gguf.write(config),
              lost: gguf.lost?.(config) ?? [],
            }
          : null,
      }
    },
  }
}

function countLayers(key: string, layers: unknown, storedLayers: number): KeyProblem[] {
  return unless(
    Number(layers) <= storedLayers,
    key,
    `at most ${storedLayers}, the layers that the weights have`,
    'The weights belong to another config.json, or are incomplete: download the model again.',
  )
}
