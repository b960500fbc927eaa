import { z } from 'zod'
import type { ForeignKeys } from '../../formats/foreign/index.ts'
import { isOneOf } from '../../formats/foreign/index.ts'
import type { Rope, RopeScaling } from '../blocks/rope.ts'
import type { KeyProblem } from './keys.ts'

const optional = z.number().nullish()
const positive = z.number().positive()
const type = z.enum(['default', 'linear', 'llama3', 'yarn']).optional()

/** What a config.json says of one rotation. */
const ropeParameters = z.object({
  rope_type: type,
  /** The older spelling. */
  type,
  rope_theta: positive.optional(),
  partial_rotary_factor: optional,
  factor: positive.nullish(),
  original_max_position_embeddings: positive.optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  beta_fast: optional,
  beta_slow: optional,
  truncate: z.boolean().nullable().default(true),
  attention_factor: optional,
  mscale: optional,
  mscale_all_dim: optional,
  /** Not a key of Hugging Face: divisors of the frequencies in a GGUF file that are those of no type. */
  gguf_divisors: z.array(z.number()).optional(),
})

type RopeParameters = z.output<typeof ropeParameters>

/** In the spelling of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`), which wins. */
export const ropeKeys = {
  rope_parameters: ropeParameters.nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: optional,
  original_max_position_embeddings: positive.nullish(),
}

const onlyOne = { isHarmless: isOneOf(null), expected: 'one rotation for all layers' }
const noLists = { isHarmless: isOneOf(null), expected: 'rope_type default, linear, llama3 or yarn' }

/** In files whose layers of different types turn differently. */
export const ropeOfTypes = z
  .object({ full_attention: ropeParameters.optional(), sliding_attention: ropeParameters.optional() })
  .nullish()

const within: ForeignKeys = {
  obeyed: ropeParameters,
  harmless: ['finetuned'],
  unobeyed: {
    full_attention: onlyOne,
    sliding_attention: onlyOne,
    short_factor: noLists,
    long_factor: noLists,
    mrope_section: noLists,
  },
}

/** What else an object for each type can hold. */
export const ropeTypesWithin: NonNullable<ForeignKeys['within']> = {
  rope_parameters: {
    obeyed: z.object({}),
    harmless: [],
    within: { full_attention: within, sliding_attention: within },
  },
  rope_scaling: within,
}

/** What else such an object can hold. */
export const ropeWithin: NonNullable<ForeignKeys['within']> = {
  rope_parameters: within,
  rope_scaling: within,
}

type RopeConfig = z.output<z.ZodObject<typeof ropeKeys>> & { max_position_embeddings: number }

/** As Transformers merges them; `key` is the one that counts. */
function mergedParameters(config: RopeConfig): { key: string; parameters: Partial<RopeParameters> } {
  const { rope_scaling: older, rope_parameters: newer } = config
  // An object without keys is false in Python.
  const { truncate: _, ...given } = older ?? {}
  return older && Object.keys(given).length > 0
    ? { key: 'rope_scaling', parameters: older }
    : { key: 'rope_parameters', parameters: newer ?? {} }
}

/**
 * What a scaling needs and does not have, and what Transformers' classes of this kind cannot compute.
 * Source: transformers 5.24, modeling_rope_utils.py
 */
export function checkRope(config: RopeConfig): KeyProblem[] {
  const { key, parameters } = mergedParameters(config)
  const ropeType = typeOf(parameters)
  const needed: Record<typeof ropeType, ('factor' | 'low_freq_factor' | 'high_freq_factor')[]> = {
    default: [],
    linear: ['factor'],
    llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
    // A factor of null is the ratio of the two lengths.
    yarn: parameters.factor === null ? [] : ['factor'],
  }
  const missing = needed[ropeType].filter(
    (name) => parameters[name] === undefined || parameters[name] === null,
  )
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1
  return [
    ...(missing.length > 0 ? [{ key, expected: `${missing.join(' and ')} for rope_type ${ropeType}` }] : []),
    ...(partial !== 1 && ropeType !== 'default'
      ? [{ key, expected: `partial_rotary_factor 1 for rope_type ${ropeType}` }]
      : []),
    ...(parameters.rope_theta === undefined && config.rope_theta === null
      ? [{ key: 'rope_theta', expected: 'a number above 0' }]
      : []),
  ]
}

/** The rotation of heads of `headDim` columns, all of which turn; `theta` where the file names none. */
export function ropeOf(config: RopeConfig, headDim: number, theta = 10_000): Rope {
  const { parameters } = mergedParameters(config)
  return {
    rotaryDim: headDim,
    theta: parameters.rope_theta ?? config.rope_theta ?? theta,
    scaling: scalingOf(parameters, config),
  }
}

function typeOf({ rope_type, type }: Partial<RopeParameters>) {
  return rope_type ?? type ?? 'default'
}

function scalingOf(parameters: Partial<RopeParameters>, config: RopeConfig): RopeScaling {
  if (parameters.gguf_divisors) return { type: 'divisors', divisors: parameters.gguf_divisors }
  const maxPositions = config.max_position_embeddings
  // Outside of the object it wins.
  const originalMaxPositions =
    config.original_max_position_embeddings ?? parameters.original_max_position_embeddings ?? maxPositions
  const factor = parameters.factor ?? maxPositions / originalMaxPositions
  const ropeType = typeOf(parameters)
  switch (ropeType) {
    case 'default':
      return { type: ropeType }
    case 'linear':
      return { type: ropeType, factor }
    case 'llama3':
      return {
        type: ropeType,
        factor,
        originalMaxPositions,
        lowFrequencyFactor: parameters.low_freq_factor ?? 1,
        highFrequencyFactor: parameters.high_freq_factor ?? 4,
      }
    case 'yarn':
      return {
        type: ropeType,
        factor,
        originalMaxPositions,
        // Zero is as absent.
        betaFast: parameters.beta_fast || 32,
        betaSlow: parameters.beta_slow || 1,
        truncate: parameters.truncate ?? false,
        attentionFactor: parameters.attention_factor ?? undefined,
        mscale: parameters.mscale ?? undefined,
        mscaleAllDim: parameters.mscale_all_dim ?? undefined,
      }
  }
}
