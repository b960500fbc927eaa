import { z } from 'zod'
import { defineFamily } from './family.ts'
import { ropeMetadata, real, sizeMetadata, whole } from './gguf-metadata.ts'
import { rotaryShare } from './gguf-keys.ts'
import { dropout } from './keys.ts'
import { checkLlama, headsOf, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { ropeOf, ropeParameters } from './rope-keys.ts'
import { lostWindow, windowSize } from './window-keys.ts'

/** Older files call longrope otherwise. */
const type = z
  .enum(['default', 'longrope', 'su', 'yarn'])
  .transform((name) => (name === 'default' ? name : 'longrope'))
  .optional()
const rope = ropeParameters.extend({
  rope_type: type,
  type,
  // The one outside of the object wins always.
  original_max_position_embeddings: z
    .number()
    .nullish()
    .transform(() => undefined),
})

const keys = llamaKeys({
  vocabSize: 32064,
  hiddenSize: 3072,
  intermediateSize: 8192,
  layers: 32,
  heads: 32,
  keyHeads: null,
  maxPositions: 4096,
  normEps: 1e-5,
  bos: 1,
  eos: 32000,
}).extend({
  rope_parameters: rope.nullish(),
  rope_scaling: rope.nullish(),
  original_max_position_embeddings: z.number().positive().default(4096),
  head_dim: z
    .int()
    .positive()
    .optional()
    .transform((length) => length ?? null),
  sliding_window: windowSize(null),
})

const rotary = { isPartial: true }

/** Phi-3, 3.5 and 4 mini: projections of one input in one tensor, and longrope (https://arxiv.org/abs/2404.14219). */
export const phi3 = defineFamily({
  modelType: 'phi3',
  className: 'Phi3ForCausalLM',
  keys,
  unobeyed: { resid_pdrop: dropout, embd_pdrop: dropout },
  check: (config) => checkLlama(config, config.sliding_window, rotary),
  describe: (config) =>
    llamaLike(
      config,
      () => ({
        fused: {
          qkv: ['self_attn.qkv_proj', 'attn_qkv'],
          gateUp: ['mlp.gate_up_proj', 'ffn_up'],
        },
        window: config.sliding_window,
      }),
      rotary,
    ),
  gguf: {
    architecture: 'phi3',
    obeys: ['rope.dimension_count'],
    metadata: (values, rope) => ({
      sliding_window: values['attention.sliding_window'] || null,
      original_max_position_embeddings: rope['original_max_position_embeddings'],
      partial_rotary_factor: rotaryShare(values),
    }),
    write(config) {
      const { headDim } = headsOf(config)
      const { rotaryDim, scaling } = ropeOf(config, headDim, rotary)
      return {
        ...sizeMetadata(config),
        'rope.scaling.original_context_length': whole(config.original_max_position_embeddings),
        'attention.layer_norm_rms_epsilon': real(config.rms_norm_eps),
        'rope.dimension_count': whole(rotaryDim),
        ...ropeMetadata(config, headDim, rotary),
        'attention.sliding_window': whole(config.sliding_window ?? 0),
        ...(scaling.type === 'longrope' && { 'rope.scaling.attn_factor': real(scaling.attentionFactor) }),
      }
    },
    lost: ({ sliding_window: window, max_position_embeddings: positions }) => lostWindow(window, positions),
  },
})
