import { FettleError, quoteValue, type Problem } from '../../../error.ts'
import type { GgufFile } from '../../../formats/index.ts'
import { readGgufFloat32 } from '../../../formats/index.ts'
import { ropeFrequencies } from '../../blocks/rope.ts'
import type { Family, GgufKeys } from '../family.ts'
import { layerWidth, readGgufKeys, type GgufConfig } from './gguf-keys.ts'

/**
 * The config.json that a GGUF file of this family stands for, from its metadata: the keys that the family obeys.
 * Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws FettleError for metadata that are wrong or not obeyed
 */
export async function ggufConfig(
  family: Family,
  gguf: GgufKeys,
  file: GgufFile,
  path: string,
): Promise<{ raw: Record<string, unknown>; notices: readonly Problem[] }> {
  const { metadata, tensors } = file
  const window = family.keys.includes('sliding_window') ? (['attention.sliding_window'] as const) : []
  const { values, notices } = readGgufKeys(path, file, gguf.architecture, [...window, ...(gguf.obeys ?? [])])
  const rope = await ropeParameters(file, values, path)
  const token = (key: string) => {
    const value = metadata.get(`tokenizer.ggml.${key}`)
    return value === undefined ? null : Number(value)
  }
  const hiddenSize = values.embedding_length
  const headCount = values['attention.head_count']
  const embedding = tensors.get('token_embd.weight')
  const known: Record<string, unknown> = {
    vocab_size: embedding?.shape[0],
    hidden_size: hiddenSize,
    intermediate_size: layerWidth(values),
    num_hidden_layers: values.block_count,
    num_attention_heads: headCount,
    num_key_value_heads: keyHeadsOf(values, gguf, path),
    head_dim: values['attention.key_length'] ?? hiddenSize / headCount,
    hidden_act: 'silu',
    rms_norm_eps: values['attention.layer_norm_rms_epsilon'],
    max_position_embeddings: values.context_length,
    rope_parameters: rope,
    tie_word_embeddings: !tensors.has('output.weight'),
    bos_token_id: token('bos_token_id'),
    eos_token_id: token('eos_token_id'),
    ...gguf.metadata?.(values, rope, (name) => tensors.get(name)?.shape),
  }
  for (const [key, tensor] of Object.entries(gguf.tensors ?? {})) known[key] = tensors.has(tensor)
  checkWidth(known, values, path)
  const raw = {
    architectures: [family.className],
    model_type: family.modelType,
    ...withoutUndefined(
      Object.fromEntries(Object.entries(known).filter(([key]) => family.keys.includes(key))),
    ),
    dtype: embedding?.type === 'F32' ? 'float32' : 'bfloat16',
  }
  return { raw, notices }
}

/** Families whose layers may differ say themselves what it is. */
function checkWidth(known: Record<string, unknown>, values: GgufConfig, path: string): void {
  if (known['intermediate_size'] !== undefined) return
  throw new FettleError({
    place: `${path}: feed_forward_length`,
    found: quoteValue(values.feed_forward_length),
    expected: 'the same width in every layer',
  })
}

/** Heads of keys; layers that have none have a convolution. */
function keyHeadsOf(values: GgufConfig, { obeys = [] }: GgufKeys, path: string): number {
  const given = values['attention.head_count_kv'] ?? values['attention.head_count']
  if (typeof given === 'number') return given
  const some = given.filter((count) => count > 0 || !obeys.includes('shortconv.l_cache'))
  if (new Set(some).size <= 1 || obeys.includes('attention.shared_kv_layers'))
    return some[0] ?? values['attention.head_count']
  throw new FettleError({
    place: `${path}: attention.head_count_kv`,
    found: quoteValue(given),
    expected: 'as many heads in every layer',
  })
}

async function ropeParameters(
  { tensors }: GgufFile,
  values: GgufConfig,
  path: string,
): Promise<Record<string, unknown>> {
  const theta = values['rope.freq_base'] ?? 10000
  const factor = values['rope.scaling.factor'] ?? values['rope.scale_linear']
  const attention = values['rope.scaling.attn_factor'] ?? 1
  const original = values['rope.scaling.original_context_length']
  const lists = [tensors.get('rope_factors_short.weight'), tensors.get('rope_factors_long.weight')]
  const [short, long] = await Promise.all(lists.map((list) => list && readGgufFloat32(list)))
  if (short && long)
    return withoutUndefined({
      rope_type: 'longrope',
      rope_theta: theta,
      short_factor: [...short],
      long_factor: [...long],
      original_max_position_embeddings: original,
      attention_factor: attention,
    })
  const type = values['rope.scaling.type'] ?? (factor === undefined ? 'none' : 'linear')
  if (attention !== 1 && type !== 'yarn')
    throw new FettleError({
      place: `${path}: rope.scaling.attn_factor`,
      found: String(attention),
      expected: `1 for a scaling of type ${type}`,
    })
  const written =
    type === 'none'
      ? { rope_type: 'default', rope_theta: theta }
      : withoutUndefined({
          rope_type: type,
          rope_theta: theta,
          // As llama.cpp: a scaling without a factor changes nothing.
          factor: factor || 1,
          original_max_position_embeddings: original,
          beta_fast: values['rope.scaling.yarn_beta_fast'],
          beta_slow: values['rope.scaling.yarn_beta_slow'],
          attention_factor:
            attention === 1 ? undefined : attention * (1 + 0.1 * Math.log(Math.max(1, factor ?? 1))),
        })
  const tensor = tensors.get('rope_freqs.weight')
  if (!tensor) return written
  const divisors = await readGgufFloat32(tensor)
  return asLlama3(theta, divisors) ?? { ...written, gguf_divisors: [...divisors] }
}

/**
 * llama.cpp stores Llama 3's scaling as divisors of the frequencies only. The parameters that every Llama 3 has make
 * them again, so that config.json can say them when the model is saved; undefined for other divisors.
 */
function asLlama3(theta: number, divisors: Float32Array): Record<string, unknown> | undefined {
  const factor = divisors.reduce((most, divisor) => Math.max(most, divisor), 1)
  const rotaryDim = 2 * divisors.length
  const scaled = ropeFrequencies({
    rotaryDim,
    theta,
    scaling: {
      type: 'llama3',
      factor,
      originalMaxPositions: 8192,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
    },
  }).inverse
  const plain = ropeFrequencies({ rotaryDim, theta, scaling: { type: 'default' } }).inverse
  if (!divisors.every((divisor, i) => Math.abs(plain[i] / scaled[i] / divisor - 1) < 1e-4)) return undefined
  return {
    rope_type: 'llama3',
    rope_theta: theta,
    factor,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  }
}

function withoutUndefined(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
}
