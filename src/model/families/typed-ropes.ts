import { z } from 'zod'
import type { ForeignKeys } from '../../formats/foreign/index.ts'
import type { KeyProblem } from './keys.ts'
import type { RopeConfig, RopeParameters } from './rope-keys.ts'
import { ropeParameters, withinRope } from './rope-keys.ts'

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
interface TypedRopeConfig {
  rope_parameters?: z.output<typeof ropeOfTypes>
  rope_scaling?: RopeParameters | null | undefined
  max_position_embeddings: number
}

/**
 * The rotations of the layers that see everything, which `rope_scaling` of older files changes, and of those that see a window.
 *
 * @param theta  where the file names none within
 */
export function ropesOfTypes(
  { rope_parameters: types, rope_scaling: older, max_position_embeddings }: TypedRopeConfig,
  theta: { full: number; sliding: number },
): { full: RopeConfig; sliding: RopeConfig } {
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
  return {
    full: only({ ...types?.full_attention, ...changed }, theta.full),
    sliding: only(types?.sliding_attention ?? {}, theta.sliding),
  }
}

/** `rope_scaling` changes a rotation that must be there. */
export function checkOlderRope({ rope_scaling, rope_parameters }: TypedRopeConfig): KeyProblem[] {
  if (!rope_scaling || !rope_parameters || rope_parameters.full_attention) return []
  return [{ key: 'rope_parameters', expected: 'full_attention and sliding_attention, beside rope_scaling' }]
}
