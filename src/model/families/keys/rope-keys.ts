import { z } from 'zod'
import type { ForeignKeys } from '../../../formats/foreign/index.ts'
import { isOneOf } from '../../../formats/foreign/index.ts'
import type { Rope, RopeScaling } from '../../blocks/rope.ts'
import { unless, type KeyProblem } from './values.ts'

const optional = z.number().nullish()
const positive = z.number().positive()
const type = z.enum(['default', 'linear', 'llama3', 'yarn', 'dynamic', 'longrope', 'proportional']).optional()
const factors = z.array(positive).nullish()

/** What a config.json says of one rotation. */
export const ropeParameters = z.object({
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
  /** By how much queries grow with their positions; of Ministral 3 only. */
  llama_4_scaling_beta: optional,
  short_factor: factors,
  long_factor: factors,
  /** Not a key of Hugging Face: divisors of the frequencies in a GGUF file that are those of no type. */
  gguf_divisors: z.array(z.number()).optional(),
})

export type RopeParameters = z.output<typeof ropeParameters>

/** In the spelling of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`), which wins. */
export const ropeKeys = {
  rope_parameters: ropeParameters.nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: optional,
  original_max_position_embeddings: positive.nullish(),
}

const onlyOne = { isHarmless: isOneOf(null), expected: 'one rotation for all layers' }
const noSections = { isHarmless: isOneOf(null), expected: 'one position of each token' }

/** What one rotation can hold. */
export const withinRope: ForeignKeys = {
  obeyed: ropeParameters,
  harmless: ['finetuned', 'max_position_embeddings'],
  unobeyed: {
    full_attention: onlyOne,
    sliding_attention: onlyOne,
    mrope_section: noSections,
  },
}

/** What else such an object can hold. */
export const ropeWithin: NonNullable<ForeignKeys['within']> = {
  rope_parameters: withinRope,
  rope_scaling: withinRope,
}

/** What a file says of the only rotation. */
export type RopeConfig = z.output<z.ZodObject<typeof ropeKeys>> & { max_position_embeddings: number }

/** As Transformers merges them; `key` is the one that counts. */
export function mergedParameters(config: RopeConfig): { key: string; parameters: Partial<RopeParameters> } {
  const { rope_scaling: older, rope_parameters: newer } = config
  // An object without keys is false in Python.
  const { truncate: _, ...given } = older ?? {}
  return older && Object.keys(given).length > 0
    ? { key: 'rope_scaling', parameters: older }
    : { key: 'rope_parameters', parameters: newer ?? {} }
}

type RopeType = Exclude<RopeScaling['type'], 'divisors'>

const always = ['default', 'proportional'] as const

/** How a class takes `partial_rotary_factor`: not at all, or as the share of a head's columns that turn. */
export interface RotaryOptions {
  isPartial?: boolean | undefined
}

/**
 * What a scaling needs and does not have, and what Transformers' classes of this kind cannot compute.
 * Source: transformers 5.24, modeling_rope_utils.py
 */
export function checkRope(
  config: RopeConfig,
  headDim: number,
  { isPartial = false }: RotaryOptions = {},
): KeyProblem[] {
  const { key, parameters } = mergedParameters(config)
  const ropeType = typeOf(parameters)
  const needed: Record<RopeType, (keyof RopeParameters)[]> = {
    default: [],
    proportional: [],
    linear: ['factor'],
    dynamic: ['factor'],
    llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
    // A factor of null is the ratio of the two lengths.
    yarn: parameters.factor === null ? [] : ['factor'],
    longrope: ['short_factor', 'long_factor'],
  }
  const missing = needed[ropeType].filter((name) => (parameters[name] ?? null) === null)
  const obeysShare = isPartial || ropeType === 'proportional'
  const { partial_rotary_factor: within } = parameters
  const isNull =
    within === null || (isPartial && within === undefined && config.partial_rotary_factor === null)
  const share = shareOf(config, parameters)
  const turning = rotaryColumns(headDim, isPartial ? share : 1)
  return [
    ...unless(missing.length === 0, key, `${missing.join(' and ')} for rope_type ${ropeType}`),
    ...unless(
      share === 1 || isPartial || isOneOf(...always)(ropeType),
      key,
      `partial_rotary_factor 1 for rope_type ${ropeType}`,
    ),
    ...unless(
      !obeysShare || (!isNull && share >= 0 && share <= 1),
      key,
      'a partial_rotary_factor from 0 to 1',
    ),
    ...unless(ropeType !== 'proportional' || parameters.factor !== null, key, 'a factor that is a number'),
    ...unless(
      parameters.rope_theta !== undefined || config.rope_theta !== null,
      'rope_theta',
      'a number above 0',
    ),
    ...(ropeType === 'longrope' && missing.length === 0 ? checkLongrope(config, turning) : []),
    ...unless(
      ropeType !== 'dynamic' || turning > 2,
      key,
      'more than 2 columns of each head that turn, for rope_type dynamic',
    ),
  ]
}

function checkLongrope(config: RopeConfig, turning: number): KeyProblem[] {
  const { key, parameters } = mergedParameters(config)
  const lists = [parameters.short_factor, parameters.long_factor]
  const { originalMaxPositions, factor } = lengthsOf(config, parameters)
  return [
    ...unless(
      lists.every((list) => list?.length === turning / 2),
      key,
      `${turning / 2} numbers each in short_factor and long_factor, for half of the columns`,
    ),
    ...unless(originalMaxPositions !== 1 || factor <= 1, key, 'original_max_position_embeddings above 1'),
  ]
}

/** The rotation of heads of `headDim` columns; `theta` where the file names none. */
export function ropeOf(
  config: RopeConfig,
  headDim: number,
  { theta = 10_000, isPartial = false }: RotaryOptions & { theta?: number } = {},
): Rope {
  const { parameters } = mergedParameters(config)
  const share = isPartial && typeOf(parameters) !== 'proportional' ? shareOf(config, parameters) : 1
  const columns = rotaryColumns(headDim, share)
  return {
    rotaryDim: 2 * Math.ceil(columns / 2),
    ...(columns % 2 === 1 && { exponentDim: columns }),
    theta: parameters.rope_theta ?? config.rope_theta ?? theta,
    scaling: scalingOf(parameters, config, headDim),
  }
}

function rotaryColumns(headDim: number, share: number): number {
  return Math.trunc(headDim * share)
}

function shareOf(config: RopeConfig, { partial_rotary_factor: within }: Partial<RopeParameters>): number {
  return within ?? config.partial_rotary_factor ?? 1
}

function typeOf({ rope_type, type }: Partial<RopeParameters>) {
  return rope_type ?? type ?? 'default'
}

/** What the model was made for at first, and how many times that it is made for now. */
function lengthsOf(config: RopeConfig, parameters: Partial<RopeParameters>) {
  const maxPositions = config.max_position_embeddings
  // Outside of the object it wins.
  const originalMaxPositions =
    config.original_max_position_embeddings ?? parameters.original_max_position_embeddings ?? maxPositions
  return { originalMaxPositions, factor: parameters.factor ?? maxPositions / originalMaxPositions }
}

/** The rotation of queries that grow with their positions; undefined where the file does not say how. */
export function grownRope(config: RopeConfig, headDim: number): Rope | undefined {
  const growth = growthOf(config)
  return growth && { ...ropeOf(config, headDim), growth }
}

/** By how much queries grow, and every how many positions. */
function growthOf(config: RopeConfig): Rope['growth'] {
  const { parameters } = mergedParameters(config)
  const { llama_4_scaling_beta: beta } = parameters
  // Only of these the class looks for the original length elsewhere.
  const every = isOneOf('llama3', 'yarn', 'longrope')(typeOf(parameters))
    ? lengthsOf(config, parameters).originalMaxPositions
    : parameters.original_max_position_embeddings
  return typeof beta === 'number' && every !== undefined ? { beta, every } : undefined
}

function scalingOf(parameters: Partial<RopeParameters>, config: RopeConfig, headDim: number): RopeScaling {
  if (parameters.gguf_divisors) return { type: 'divisors', divisors: parameters.gguf_divisors }
  const { originalMaxPositions, factor } = lengthsOf(config, parameters)
  const ropeType = typeOf(parameters)
  switch (ropeType) {
    case 'default':
      return { type: ropeType }
    case 'linear':
      return { type: ropeType, factor }
    case 'dynamic':
      return { type: ropeType, factor, maxPositions: config.max_position_embeddings }
    case 'proportional':
      return {
        type: ropeType,
        turning: Math.floor((shareOf(config, parameters) * headDim) / 2),
        factor: parameters.factor ?? 1,
      }
    case 'longrope':
      return {
        type: ropeType,
        shortFactors: parameters.short_factor ?? [],
        longFactors: parameters.long_factor ?? [],
        originalMaxPositions,
        attentionFactor:
          parameters.attention_factor ??
          (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions))),
      }
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
