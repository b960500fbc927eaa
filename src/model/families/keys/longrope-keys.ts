import { z } from 'zod'
import { ropeParameters } from './rope-keys.ts'

/** Older files call longrope otherwise. */
const type = z
  .enum(['default', 'longrope', 'su', 'yarn'])
  .transform((name) => (name === 'default' ? name : 'longrope'))
  .optional()

const parameters = ropeParameters.extend({
  rope_type: type,
  type,
  // The one outside of the object wins always.
  original_max_position_embeddings: z
    .number()
    .nullish()
    .transform(() => undefined),
})

/** Keys of a rotation that is plain, or longrope. */
export const longropeKeys = {
  rope_parameters: parameters.nullish(),
  rope_scaling: parameters.nullish(),
  original_max_position_embeddings: z.number().positive().default(4096),
}
