import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { AutoModelForCausalLM } from '../../src/index.ts'

const common = {
  vocab_size: 49152,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 512,
  rope_theta: 10000,
  tie_word_embeddings: true,
  initializer_range: 0.1,
  torch_dtype: 'float32',
  eos_token_id: 2,
}

/** Two small families besides SmolLM2's: norms of queries and keys; and sliding windows, shorter than a pack. */
const configs = {
  qwen3: {
    ...common,
    model_type: 'qwen3',
    architectures: ['Qwen3ForCausalLM'],
    rms_norm_eps: 1e-6,
    attention_bias: false,
  },
  gemma3: {
    ...common,
    model_type: 'gemma3_text',
    architectures: ['Gemma3ForCausalLM'],
    rms_norm_eps: 1e-6,
    sliding_window: 16,
    layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
    query_pre_attn_scalar: 16,
    hidden_activation: 'gelu_pytorch_tanh',
    rope_local_base_freq: 10000,
    attention_bias: false,
  },
}

/** Writes a model of random weights with SmolLM2's tokenizer, if it is not there. */
export async function tinyModel(
  name: keyof typeof configs,
  smollm2: string,
  folder: string,
): Promise<string> {
  const path = join(folder, `tiny-${name}`)
  if (existsSync(join(path, 'model.safetensors'))) return path
  const model = await AutoModelForCausalLM.fromConfig(configs[name], { engine: 'reference', seed: 1 })
  await model.save(path)
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    cpSync(join(smollm2, file), join(path, file))
  return path
}
