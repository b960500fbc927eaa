import type { Gemma4Config } from './gemma4-keys.ts'
import { layerShapes, ropesOfTypes } from './gemma4-shapes.ts'
import { expertMetadata } from '../gguf/expert-metadata.ts'
import { flags, integers, real, whole, type GgufMetadata } from '../gguf/gguf-metadata.ts'
import type { KeyProblem } from '../keys/values.ts'

/** What llama.cpp's converter says of a Gemma 4 in the metadata of a GGUF file. */
export function gemma4Metadata(config: Gemma4Config): GgufMetadata {
  const { num_hidden_layers: layers, num_kv_shared_layers: shared, intermediate_size: inner } = config
  const ropes = ropesOfTypes(config)
  const shapes = layerShapes(config, ropes)
  const [full, sliding] = (['full_attention', 'sliding_attention'] as const).map((type) =>
    shapes.find((shape) => shape.type === type),
  )
  const isUneven = new Set(shapes.map(({ keyHeads }) => keyHeads)).size > 1
  const hasExperts = config.enable_moe_block && config.num_experts !== null
  return {
    block_count: whole(layers),
    context_length: whole(config.max_position_embeddings),
    embedding_length: whole(config.hidden_size),
    feed_forward_length: config.use_double_wide_mlp
      ? integers(Array.from({ length: layers }, (_, layer) => (layer < layers - shared ? inner : 2 * inner)))
      : whole(inner),
    'attention.head_count': whole(config.num_attention_heads),
    'attention.head_count_kv': isUneven
      ? integers(shapes.map(({ keyHeads }) => keyHeads))
      : whole(shapes[0].keyHeads),
    'rope.freq_base': real(ropes.full_attention.theta),
    'rope.freq_base_swa': real(ropes.sliding_attention.theta),
    'attention.layer_norm_rms_epsilon': real(config.rms_norm_eps),
    ...(hasExperts && expertMetadata(config.num_experts ?? 0, config.top_k_experts ?? 0)),
    ...(hasExperts && { expert_feed_forward_length: whole(config.moe_intermediate_size ?? 0) }),
    'attention.key_length': whole(full?.headDim ?? config.head_dim),
    'attention.value_length': whole(full?.headDim ?? config.head_dim),
    'attention.key_length_swa': whole(sliding?.headDim ?? config.head_dim),
    'attention.value_length_swa': whole(sliding?.headDim ?? config.head_dim),
    ...(config.final_logit_softcapping !== null && {
      final_logit_softcapping: real(config.final_logit_softcapping),
    }),
    'attention.sliding_window': whole(config.sliding_window),
    'attention.shared_kv_layers': whole(shared),
    embedding_length_per_layer_input: whole(config.hidden_size_per_layer_input),
    'attention.sliding_window_pattern': flags(shapes.map(({ type }) => type === 'sliding_attention')),
    'rope.dimension_count': whole(full?.headDim ?? config.head_dim),
    'rope.dimension_count_swa': whole(ropes.sliding_attention.rotaryDim),
  }
}

/**
 * What such a file cannot say: whose keys a layer reads that has none of its own. llama.cpp takes the last own layer for those that see
 * everything, and the one before it for the others.
 */
export function lostOfGemma4(config: Gemma4Config): KeyProblem[] {
  const own = config.num_hidden_layers - config.num_kv_shared_layers
  const isComputed = layerShapes(config, ropesOfTypes(config)).every(
    ({ type, source }) => source === null || source === own - (type === 'full_attention' ? 1 : 2),
  )
  if (isComputed && own > 1) return []
  return [
    {
      key: 'num_kv_shared_layers',
      expected:
        'two layers or more with keys of their own, the last of which sees everything and the one before a window, as llama.cpp computes',
    },
  ]
}
