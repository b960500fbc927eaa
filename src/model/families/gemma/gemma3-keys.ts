import { z } from 'zod'
import { ropeOfTypes, typedRopes } from '../keys/typed-ropes.ts'
import { slidingLayers } from '../keys/window-keys.ts'
import { gemmaKeys } from './gemma-keys.ts'

/** The keys that config.json of a Gemma 3's text model has. */
export const gemma3Keys = gemmaKeys({
  vocabSize: 262_208,
  maxPositions: 131_072,
  attentionCap: null,
  logitCap: null,
}).extend({
  rope_parameters: ropeOfTypes,
  rope_theta: z.number().positive().default(1_000_000),
  rope_local_base_freq: z.number().positive().default(10_000),
  /** Every so many layers one sees everything. */
  sliding_window_pattern: z.int().positive().default(6),
})

type Gemma3Config = z.output<typeof gemma3Keys>

/** The rotations of both kinds of layers. */
export function ropesOf<Config extends Gemma3Config>(config: Config) {
  return typedRopes(config, { full: config.rope_theta, sliding: config.rope_local_base_freq })
}

/** Which layers see a window: unless the file says it, five of six, or as many as its pattern says. */
export function slidingOf(config: Gemma3Config): boolean[] {
  return slidingLayers(config, (layer) => (layer + 1) % config.sliding_window_pattern !== 0)
}
