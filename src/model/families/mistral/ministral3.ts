import { defineFamily } from '../family.ts'
import { llamaMetadata, llamaOwnMetadata } from '../gguf/gguf-metadata.ts'
import { growthMetadata, grownParameters } from '../gguf/growth-metadata.ts'
import { lostWindow, windowMetadata } from '../gguf/window-metadata.ts'
import { checkLlama, headsOf, llamaKeys } from '../keys/llama-keys.ts'
import { grownRope, ropeParameters } from '../keys/rope-keys.ts'
import { count, unless } from '../keys/values.ts'
import { windowSize } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'

/** Where the file has none. */
const defaultRope = ropeParameters.parse({
  rope_type: 'yarn',
  rope_theta: 1_000_000,
  factor: 16,
  original_max_position_embeddings: 16_384,
  mscale: 1,
  mscale_all_dim: 1,
  llama_4_scaling_beta: 0.1,
})

const keys = llamaKeys({
  vocabSize: 131_072,
  hiddenSize: 4096,
  intermediateSize: 14_336,
  layers: 34,
  heads: 32,
  keyHeads: 8,
  maxPositions: 262_144,
  normEps: 1e-5,
  bos: 1,
  eos: 2,
}).extend({
  num_key_value_heads: count(8),
  head_dim: count(128),
  rope_parameters: ropeParameters.nullish().transform((given) => given ?? defaultRope),
  sliding_window: windowSize(null),
})

/** Ministral 3: a Mistral whose queries grow with their positions, and with yarn (https://huggingface.co/mistralai). */
export const ministral3 = defineFamily({
  modelType: 'ministral3',
  className: 'Ministral3ForCausalLM',
  keys,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...unless(
      grownRope(config, headsOf(config).headDim) !== undefined,
      'rope_parameters',
      'llama_4_scaling_beta and original_max_position_embeddings',
    ),
  ],
  describe: (config) =>
    llamaLike(config, () => ({
      queryRope: grownRope(config, headsOf(config).headDim),
      window: config.sliding_window,
      ggufInterleaves: true,
    })),
  gguf: {
    architecture: 'mistral3',
    obeys: ['attention.temperature_scale', 'rope.scaling.yarn_log_multiplier'],
    metadata: (values, rope) => ({
      rope_parameters: grownParameters(values, rope),
      ...windowMetadata(values),
    }),
    write: (config) => ({
      ...llamaMetadata(config),
      ...llamaOwnMetadata(config),
      ...growthMetadata(config.rope_parameters),
    }),
    lost: lostWindow,
  },
})
