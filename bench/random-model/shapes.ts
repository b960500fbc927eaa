/*
 * config.json of published models, from memory and the defaults of their classes in Transformers 5.24: what decides memory and speed.
 * `note` says what is not as it was published.
 */

/** A model that random weights are made for. */
export interface RandomShape {
  config: Readonly<Record<string, unknown>>
  /** What is not as it was published. */
  note?: string
}

const common = {
  initializer_range: 0.02,
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
  dtype: 'bfloat16',
}

const gemma3 = (sizes: Record<string, number>) => ({
  ...common,
  architectures: ['Gemma3ForCausalLM'],
  model_type: 'gemma3_text',
  vocab_size: 262_144,
  num_attention_heads: 4,
  num_key_value_heads: 1,
  head_dim: 256,
  query_pre_attn_scalar: 256,
  max_position_embeddings: 32_768,
  sliding_window: 512,
  sliding_window_pattern: 6,
  rope_theta: 1_000_000,
  rope_local_base_freq: 10_000,
  hidden_activation: 'gelu_pytorch_tanh',
  ...sizes,
})

/** Numbers from 1 up to `end`, as the factors of a longrope rise. */
const rising = (count: number, end: number) =>
  Array.from({ length: count }, (_, i) => 1 + ((end - 1) * i) / (count - 1))

/** By the name that `--like` takes. */
export const shapes = {
  'tinyllama-1.1b': {
    config: {
      ...common,
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: 32_000,
      hidden_size: 2048,
      intermediate_size: 5632,
      num_hidden_layers: 22,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      tie_word_embeddings: false,
    },
  },
  'gemma-3-270m': {
    config: gemma3({ hidden_size: 640, intermediate_size: 2048, num_hidden_layers: 18 }),
  },
  'gemma-3-1b': {
    config: gemma3({ hidden_size: 1152, intermediate_size: 6912, num_hidden_layers: 26 }),
  },
  'qwen3-0.6b': {
    config: {
      ...common,
      architectures: ['Qwen3ForCausalLM'],
      model_type: 'qwen3',
      vocab_size: 151_936,
      hidden_size: 1024,
      intermediate_size: 3072,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      max_position_embeddings: 40_960,
      rope_theta: 1_000_000,
      tie_word_embeddings: true,
    },
  },
  'qwen3.5-0.8b': {
    config: {
      ...common,
      architectures: ['Qwen3_5ForCausalLM'],
      model_type: 'qwen3_5_text',
      vocab_size: 248_320,
      hidden_size: 1024,
      intermediate_size: 3584,
      num_hidden_layers: 24,
      num_attention_heads: 8,
      num_key_value_heads: 2,
      head_dim: 256,
      linear_num_key_heads: 16,
      linear_num_value_heads: 16,
      linear_key_head_dim: 128,
      linear_value_head_dim: 128,
      linear_conv_kernel_dim: 4,
      full_attention_interval: 4,
      max_position_embeddings: 262_144,
      rope_parameters: { rope_type: 'default', rope_theta: 10_000_000, partial_rotary_factor: 0.25 },
      tie_word_embeddings: true,
    },
    note: 'without the parts that see and that guess the next tokens',
  },
  'lfm2-350m': {
    config: {
      ...common,
      architectures: ['Lfm2ForCausalLM'],
      model_type: 'lfm2',
      vocab_size: 65_536,
      hidden_size: 1024,
      intermediate_size: 6656,
      block_auto_adjust_ff_dim: true,
      block_ffn_dim_multiplier: 1,
      block_multiple_of: 256,
      num_hidden_layers: 16,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      conv_L_cache: 3,
      conv_bias: false,
      layer_types: Array.from({ length: 16 }, (_, layer) =>
        [2, 5, 8, 10, 12, 14].includes(layer) ? 'full_attention' : 'conv',
      ),
      max_position_embeddings: 128_000,
      rope_theta: 1_000_000,
      tie_word_embeddings: true,
    },
  },
  'phi-4-mini': {
    config: {
      ...common,
      architectures: ['Phi3ForCausalLM'],
      model_type: 'phi3',
      vocab_size: 200_064,
      hidden_size: 3072,
      intermediate_size: 8192,
      num_hidden_layers: 32,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      max_position_embeddings: 131_072,
      original_max_position_embeddings: 4096,
      partial_rotary_factor: 0.75,
      rope_theta: 10_000,
      rope_scaling: { type: 'longrope', short_factor: rising(48, 1), long_factor: rising(48, 32) },
      rms_norm_eps: 1e-5,
      sliding_window: 262_144,
      tie_word_embeddings: true,
    },
    note: 'the factors of its rotation are others',
  },
  'smollm3-3b': {
    config: {
      ...common,
      architectures: ['SmolLM3ForCausalLM'],
      model_type: 'smollm3',
      vocab_size: 128_256,
      hidden_size: 2048,
      intermediate_size: 11_008,
      num_hidden_layers: 36,
      num_attention_heads: 16,
      num_key_value_heads: 4,
      no_rope_layer_interval: 4,
      max_position_embeddings: 65_536,
      rope_theta: 5_000_000,
      tie_word_embeddings: true,
    },
  },
  'olmo-2-1b': {
    config: {
      ...common,
      architectures: ['Olmo2ForCausalLM'],
      model_type: 'olmo2',
      vocab_size: 100_352,
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      max_position_embeddings: 4096,
      rope_theta: 500_000,
      tie_word_embeddings: false,
    },
  },
  'granite-4.0-350m': {
    config: {
      ...common,
      architectures: ['GraniteForCausalLM'],
      model_type: 'granite',
      vocab_size: 100_352,
      hidden_size: 1024,
      intermediate_size: 2048,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 4,
      max_position_embeddings: 32_768,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000_000,
      embedding_multiplier: 12,
      attention_multiplier: 0.015625,
      residual_multiplier: 0.246,
      logits_scaling: 4,
      tie_word_embeddings: true,
    },
    note: 'as the class of Granite 3, which computes the same: the published one, of hybrids, has attention in every layer',
  },
  'mixtral-1b': {
    config: {
      ...common,
      architectures: ['MixtralForCausalLM'],
      model_type: 'mixtral',
      vocab_size: 32_000,
      hidden_size: 1024,
      intermediate_size: 3584,
      num_hidden_layers: 10,
      num_attention_heads: 8,
      num_key_value_heads: 2,
      head_dim: 128,
      num_local_experts: 8,
      num_experts_per_tok: 2,
      max_position_embeddings: 32_768,
      rope_theta: 1_000_000,
      rms_norm_eps: 1e-5,
      sliding_window: null,
      tie_word_embeddings: false,
    },
    note: 'Mixtral 8x7B with a quarter of its width and 10 of its 32 layers: 1 billion parameters',
  },
} satisfies Readonly<Record<string, RandomShape>>

export type ShapeName = keyof typeof shapes
