import { z } from 'zod'
import type { ForeignKeys } from '../../../formats/foreign/index.ts'
import type { Rope } from '../../blocks/rope.ts'
import { checkLlama, headsOf, type LlamaConfig } from './llama-keys.ts'
import type { RopeConfig, RopeParameters } from './rope-keys.ts'
import { checkRope, ropeOf, ropeParameters, withinRope } from './rope-keys.ts'
import { unless, type KeyProblem } from './values.ts'

/** In files whose layers of different types turn differently. */
export const ropeOfTypes = z
  .object({ full_attention: ropeParameters.optional(), sliding_attention: ropeParameters.optional() })
  .nullish()

/** What else an object for each type can hold. */
export const ropeTypesWithin: NonNullable<ForeignKeys['within']> = {
  rope_parameters: {
    obeyed: z.object({}),
    harmless: [],
    within: { full_attention: withinRope, sliding_attention: withinRope },
  },
  rope_scaling: withinRope,
}

/** What a file says where layers of different types turn differently. */
type TypedRopeConfig = Omit<LlamaConfig, 'rope_parameters' | 'rope_scaling'> & {
  rope_parameters?: z.output<typeof ropeOfTypes>
  rope_scaling?: RopeParameters | null | undefined
}

/** A configuration as that of a model with one rotation, and the other one. */
export interface TypedRopes<Config> {
  /** With the rotation of the layers that see everything as the only one. */
  whole: Omit<Config, 'rope_parameters' | 'rope_scaling'> & RopeConfig
  /** What the file says of the layers that see a window, and their rotation. */
  sliding: RopeConfig
  local: Rope
}

/**
 * The rotations of the layers that see everything, which `rope_scaling` of older files changes, and of those that see a window.
 *
 * @param theta  where the file names none within
 */
export function typedRopes<Config extends TypedRopeConfig>(
  config: Config,
  theta: { full: number; sliding: number },
): TypedRopes<Config> {
  const { rope_parameters: types, rope_scaling: older, max_position_embeddings } = config
  const { type: _, ...changed } = older ?? {}
  const only = (parameters: Partial<RopeParameters>, rope_theta: number): RopeConfig => ({
    max_position_embeddings,
    rope_theta,
    rope_scaling: null,
    // The class looks for it outside of the types.
    rope_parameters: { ...parameters, truncate: true },
    original_max_position_embeddings: undefined,
    partial_rotary_factor: undefined,
  })
  const whole = { ...config, ...only({ ...types?.full_attention, ...changed }, theta.full) }
  const sliding = only(types?.sliding_attention ?? {}, theta.sliding)
  return { whole, sliding, local: ropeOf(sliding, headsOf(whole).headDim) }
}

/** What is wrong with heads, types of layers, and both rotations. */
export function checkTypedRopes(
  config: TypedRopeConfig & { sliding_window: number | null },
  { whole, sliding }: Omit<TypedRopes<TypedRopeConfig>, 'local'>,
): KeyProblem[] {
  const { rope_scaling: older, rope_parameters: types } = config
  return [
    ...checkLlama(whole, config.sliding_window),
    ...checkRope(sliding, headsOf(whole).headDim),
    // `rope_scaling` changes a rotation that must be there.
    ...unless(
      !older || !types || types.full_attention !== undefined,
      'rope_parameters',
      'full_attention and sliding_attention, beside rope_scaling',
    ),
  ]
}
