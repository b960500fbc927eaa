import { z } from 'zod'
import { experts } from '../blocks/experts.ts'
import { biasedExperts } from './expert-weights.ts'
import { defineFamily } from './family.ts'
import { expertMetadata, llamaMetadata, whole } from './gguf-metadata.ts'
import { count, flag, optionalCount } from './keys.ts'
import type { LlamaLayerOptions } from './llama-like.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { ropeKeys } from './rope-keys.ts'
import { balanceOf, checkRouter, routerKeys, routerOf } from './router-keys.ts'
import { isSliding, windowSize } from './window-keys.ts'

const yarn = {
  rope_type: 'yarn',
  factor: 32,
  truncate: false,
  original_max_position_embeddings: 4096,
} as const

const keys = llamaKeys({
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
    num_local_experts: count(128),
    /** What Transformers 5 takes for it, too; it counts where both are there. */
    num_experts: optionalCount(null),
    head_dim: optionalCount(64),
    sliding_window: windowSize(128),
    attention_bias: flag(true),
    swiglu_alpha: z.number().positive().default(1.702),
    swiglu_limit: z.number().positive().default(7),
    rope_theta: z.number().positive().nullable().default(150_000),
    rope_parameters: ropeKeys.rope_parameters.transform((given) => given ?? yarn),
  })
  .omit({ hidden_act: true })

/** Every second layer from the first on sees a window. */
const typesOf = ({ layer_types, num_hidden_layers: layers }: z.output<typeof keys>) =>
  layer_types ??
  Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'))

/** gpt-oss: experts with biases, and sinks beside the scores (https://arxiv.org/abs/2508.10925). */
export const gptOss = defineFamily({
  modelType: 'gpt_oss',
  className: 'GptOssForCausalLM',
  keys,
  // The class has an activation of its own.
  harmless: ['hidden_act'],
  check: (config) => [
    ...checkLlama({ ...config, layer_types: typesOf(config) }, config.sliding_window),
    ...checkRouter(config.num_experts_per_tok, config.num_experts ?? config.num_local_experts),
  ],
  describe: (config) => {
    const { hidden_size: width, intermediate_size: inner, num_experts } = config
    const count_ = num_experts ?? config.num_local_experts
    const layerOptions = (layer: number): LlamaLayerOptions => {
      const [module, gguf] = [`${config.root}.layers.${layer}.mlp`, `blk.${layer}`]
      const router = { safetensors: `${module}.router`, gguf: `${gguf}.ffn_gate_inp` }
      return {
        biases: { qkv: config.attention_bias, output: config.attention_bias },
        sinks: true,
        ggufMlpNorm: 'post_attention_norm',
        window: isSliding(typesOf(config)[layer]) ? config.sliding_window : null,
        feedForward: (norm) =>
          experts({
            norm,
            router: routerOf(width, count_, router, true),
            routing: { topK: config.num_experts_per_tok, isNormalised: true },
            ...biasedExperts({ count: count_, width, inner }, module, gguf),
            gate: { activation: 'silu', gain: config.swiglu_alpha, limit: config.swiglu_limit },
          }),
      }
    }
    return llamaLike(config, layerOptions, balanceOf(config))
  },
  gguf: {
    architecture: 'gpt-oss',
    obeys: ['expert_count', 'expert_used_count', 'expert_feed_forward_length'],
    tensors: { attention_bias: 'blk.0.attn_q.bias' },
    metadata: (values, rope) => ({
      num_local_experts: values.expert_count,
      num_experts_per_tok: values.expert_used_count,
      intermediate_size: values.expert_feed_forward_length ?? values.feed_forward_length,
      sliding_window: values['attention.sliding_window'],
      // Such files do not say it.
      rope_parameters: { ...rope, ...(rope['rope_type'] === 'yarn' && { truncate: false }) },
    }),
    write: (config) => ({
      ...llamaMetadata(config),
      ...expertMetadata(config.num_experts ?? config.num_local_experts, config.num_experts_per_tok),
      ...(config.sliding_window !== null && { 'attention.sliding_window': whole(config.sliding_window) }),
      expert_feed_forward_length: whole(config.intermediate_size),
    }),
    lost: (config) => [
      ...(config.swiglu_alpha === 1.702 && config.swiglu_limit === 7
        ? []
        : [{ key: 'swiglu_alpha', expected: '1.702, and 7 as swiglu_limit, as llama.cpp computes' }]),
      ...(typesOf(config).every((type, layer) => isSliding(type) === (layer % 2 === 0))
        ? []
        : [{ key: 'layer_types', expected: 'a window in every other layer, as llama.cpp computes' }]),
    ],
  },
})
