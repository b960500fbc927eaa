import { defineFamily } from './family.ts'
import { llamaMetadata, llamaOwnMetadata, real } from './gguf-metadata.ts'
import { count } from './keys.ts'
import { checkLlama, headsOf, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { growthOf, ropeOf, ropeParameters } from './rope-keys.ts'
import { lostWindow, windowSize } from './window-keys.ts'

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
    ...(growthOf(config)
      ? []
      : [
          {
            key: 'rope_parameters',
            expected: 'llama_4_scaling_beta and original_max_position_embeddings',
          },
        ]),
  ],
  describe(config) {
    const plain = ropeOf(config, headsOf(config).headDim)
    const growth = growthOf(config)
    const queryRope = growth && { ...plain, growth }
    return llamaLike(config, () => ({
      rope: plain,
      queryRope,
      window: config.sliding_window,
      ggufInterleaves: true,
    }))
  },
  gguf: {
    architecture: 'mistral3',
    obeys: ['attention.temperature_scale', 'rope.scaling.yarn_log_multiplier'],
    metadata: (values, rope) => ({
      rope_parameters: {
        ...rope,
        llama_4_scaling_beta: values['attention.temperature_scale'] ?? 0,
        original_max_position_embeddings: rope['original_max_position_embeddings'] ?? values.context_length,
        ...(values['rope.scaling.yarn_log_multiplier'] && {
          mscale: 1,
          mscale_all_dim: values['rope.scaling.yarn_log_multiplier'],
        }),
      },
      sliding_window: values['attention.sliding_window'] || null,
    }),
    write(config) {
      const { mscale_all_dim: log, llama_4_scaling_beta: beta } = config.rope_parameters
      return {
        ...llamaMetadata(config),
        ...llamaOwnMetadata(config),
        ...(log && { 'rope.scaling.yarn_log_multiplier': real(log) }),
        ...(beta && { 'attention.temperature_scale': real(beta) }),
      }
    },
    lost: ({ sliding_window: window, max_position_embeddings: positions }) => lostWindow(window, positions),
  },
})
