import { z } from 'zod'
import type { Rope, RopeScaling } from '../blocks/rope.ts'

const optional = z.number().nullish()
const types = ['default', 'linear', 'llama3', 'yarn'] as const
const type = z.enum(types).nullish()

/** What a config.json says of one rotation. */
const ropeParameters = z.object({
  rope_type: type,
  /** The older spelling. */
  type,
  rope_theta: optional,
  partial_rotary_factor: optional,
  factor: optional,
  original_max_position_embeddings: optional,
  low_freq_factor: optional,
  high_freq_factor: optional,
  beta_fast: optional,
  beta_slow: optional,
  truncate: z.boolean().nullish(),
  attention_factor: optional,
  mscale: optional,
  mscale_all_dim: optional,
  /** Not a key of Hugging Face: divisors of the frequencies in a GGUF file that are those of no type. */
  gguf_divisors: z.array(z.number()).optional(),
})

/** In the spelling of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`). */
export const ropeKeys = {
  rope_parameters: ropeParameters.nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_theta: optional,
  partial_rotary_factor: optional,
}

type RopeConfig = z.output<z.ZodObject<typeof ropeKeys>> & { max_position_embeddings: number }

/** The rotation of heads of `headDim` columns; `theta` where the file names none. */
export function ropeOf(config: RopeConfig, headDim: number, theta = 10_000): Rope {
  const parameters = config.rope_parameters ?? config.rope_scaling ?? {}
  const partial = parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1
  return {
    rotaryDim: Math.floor(headDim * partial),
    theta: parameters.rope_theta ?? config.rope_theta ?? theta,
    scaling: scalingOf(parameters, config.max_position_embeddings),
  }
}

function scalingOf(parameters: z.output<typeof ropeParameters>, maxPositions: number): RopeScaling {
  if (parameters.gguf_divisors) return { type: 'divisors', divisors: parameters.gguf_divisors }
  const factor = parameters.factor ?? 1
  const originalMaxPositions = parameters.original_max_position_embeddings ?? maxPositions
  const ropeType = parameters.rope_type ?? parameters.type ?? 'default'
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
        betaFast: parameters.beta_fast ?? 32,
        betaSlow: parameters.beta_slow ?? 1,
        truncate: parameters.truncate !== false,
        attentionFactor: parameters.attention_factor ?? undefined,
        mscale: parameters.mscale ?? undefined,
        mscaleAllDim: parameters.mscale_all_dim ?? undefined,
      }
  }
}
