import { z } from 'zod'
import { llamaKeys } from '../keys/llama-keys.ts'
import { ropeKeys } from '../keys/rope-keys.ts'
import { localExpertKeys, routerKeys } from '../keys/router-keys.ts'
import { flag, optionalCount } from '../keys/values.ts'
import { slidingLayers, windowSize } from '../keys/window-keys.ts'

const yarn = {
  rope_type: 'yarn',
  factor: 32,
  truncate: false,
  original_max_position_embeddings: 4096,
} as const

/** The keys that config.json of a gpt-oss has. */
export const gptOssKeys = llamaKeys({
  vocabSize: 201_088,
  hiddenSize: 2880,
  intermediateSize: 2880,
  layers: 36,
  heads: 64,
  keyHeads: 8,
  maxPositions: 131_072,
  normEps: 1e-5,
  bos: null,
  eos: null,
})
  .extend({
    ...routerKeys({ perToken: 4, lossWeight: 0.001 }),
    ...localExpertKeys(128),
    head_dim: optionalCount(64),
    sliding_window: windowSize(128),
    attention_bias: flag(true),
    swiglu_alpha: z.number().positive().default(1.702),
    swiglu_limit: z.number().positive().default(7),
    rope_theta: z.number().positive().nullable().default(150_000),
    rope_parameters: ropeKeys.rope_parameters.transform((given) => given ?? yarn),
  })
  .omit({ hidden_act: true })

export type GptOssConfig = z.output<typeof gptOssKeys> & { root: string }

/** Every second layer from the first on sees a window, unless the file says it. */
export function slidingOf(config: Omit<GptOssConfig, 'root'>): boolean[] {
  return slidingLayers(config, (layer) => layer % 2 === 0)
}
