import { FettleError } from '../../error.ts'
import type { GgufFile } from '../../formats/index.ts'
import { readGgufFloat32 } from '../../formats/index.ts'
import type { ModelConfig } from './config.ts'
import { parseModelConfig, parseRope } from './config.ts'
import { ropeFrequencies } from './rope.ts'

/** llama.cpp's architecture names and transformers' model types. */
const modelTypeOf: Record<string, string> = {
  llama: 'llama',
  mistral: 'mistral',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
}
const classOf: Record<string, string> = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
}

/**
 * The config.json that a GGUF file stands for, from its metadata.
 * Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function ggufModelConfig(path: string, file: GgufFile): Promise<ModelConfig> {
  const architecture = String(file.metadata.get('general.architecture'))
  const modelType = modelTypeOf[architecture]
  if (modelType === undefined)
    throw new FettleError({
      place: path,
      found: `architecture '${architecture}'`,
      expected: Object.keys(modelTypeOf).join(', '),
      cure: 'fettle does not know this architecture; choose a model of one of these families.',
    })
  const get = (key: string) => file.metadata.get(`${architecture}.${key}`)
  const number = (key: string) => {
    const value = get(key)
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
  }
  const token = (key: string) => {
    const value = file.metadata.get(`tokenizer.ggml.${key}`)
    return value === undefined ? undefined : Number(value)
  }
  const hiddenSize = number('embedding_length')
  const headCount = number('attention.head_count')
  const headDim = number('attention.key_length') ?? (hiddenSize ?? 0) / (headCount ?? 1)
  const scaling = get('rope.scaling.type')
  const rope: Record<string, unknown> = {
    rope_type: typeof scaling === 'string' && scaling !== 'none' ? scaling : 'default',
    rope_theta: number('rope.freq_base') ?? 10000,
    factor: number('rope.scaling.factor'),
    original_max_position_embeddings: number('rope.scaling.original_context_length'),
  }
  const window = number('attention.sliding_window')
  const raw = withoutUndefined({
    architectures: [classOf[modelType]],
    model_type: modelType,
    vocab_size: file.tensors.get('token_embd.weight')?.shape[0],
    hidden_size: hiddenSize,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: number('block_count'),
    num_attention_heads: headCount,
    num_key_value_heads: number('attention.head_count_kv') ?? headCount,
    head_dim: headDim,
    hidden_act: 'silu',
    rms_norm_eps: number('attention.layer_norm_rms_epsilon'),
    max_position_embeddings: number('context_length'),
    rope_parameters: withoutUndefined(rope),
    ...(window === undefined ? {} : { sliding_window: window, use_sliding_window: true }),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    attention_bias: modelType === 'qwen2' ? undefined : file.tensors.has('blk.0.attn_q.bias'),
    mlp_bias: modelType === 'llama' ? file.tensors.has('blk.0.ffn_gate.bias') : undefined,
    bos_token_id: token('bos_token_id'),
    eos_token_id: token('eos_token_id'),
    dtype: file.tensors.get('token_embd.weight')?.type === 'F32' ? 'float32' : 'bfloat16',
  })
  const config = parseModelConfig(raw, path)
  const tensor = file.tensors.get('rope_freqs.weight')
  if (!tensor) return config
  const factors = await readGgufFloat32(tensor)
  const llama3 = asLlama3(rope, factors)
  return llama3
    ? parseModelConfig({ ...raw, rope_parameters: llama3 }, path)
    : { ...config, rope: { ...config.rope, factors } }
}

/**
 * llama.cpp stores Llama 3's scaling as divisors of the frequencies only. The parameters that every Llama 3 has make
 * them again, so that config.json can say them when the model is saved; undefined for other divisors.
 */
function asLlama3(
  { rope_theta }: Record<string, unknown>,
  factors: Float32Array,
): Record<string, unknown> | undefined {
  const parameters = {
    rope_type: 'llama3',
    rope_theta,
    factor: factors.reduce((most, factor) => Math.max(most, factor), 1),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  }
  const rope = parseRope({ rope_parameters: parameters }, '', 8192)
  const scaled = ropeFrequencies(rope, 2 * factors.length).inverse
  const plain = ropeFrequencies({ ...rope, type: 'default' }, 2 * factors.length).inverse
  const agrees = factors.every((factor, i) => Math.abs(plain[i] / scaled[i] / factor - 1) < 1e-4)
  return agrees ? parameters : undefined
}

function withoutUndefined(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
}
