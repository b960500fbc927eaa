import type { GgufEntry } from '../../../formats/index.ts'
import { ropeFrequencies } from '../../blocks/rope.ts'
import { headsOf, type LlamaConfig } from '../keys/llama-keys.ts'
import { mergedParameters, ropeOf, type RopeConfig, type RotaryOptions } from '../keys/rope-keys.ts'

/** What a GGUF file says of an architecture: keys without its name in front. */
export type GgufMetadata = Record<string, GgufEntry>

export const whole = (value: number): GgufEntry => ({ type: 'u32', value })
export const real = (value: number): GgufEntry => ({ type: 'f32', value })
export const integers = (value: readonly number[]): GgufEntry => ({ type: 'list', of: 'i32', value })
export const flags = (value: readonly boolean[]): GgufEntry => ({ type: 'list', of: 'bool', value })

/** Sizes of a Llama and its relatives, without its rotation. */
export function sizeMetadata(config: Omit<LlamaConfig, 'rms_norm_eps'>): GgufMetadata {
  const { queryHeads, keyHeads } = headsOf({ ...config, rms_norm_eps: 0 })
  return {
    block_count: whole(config.num_hidden_layers),
    context_length: whole(config.max_position_embeddings),
    embedding_length: whole(config.hidden_size),
    feed_forward_length: whole(config.intermediate_size),
    'attention.head_count': whole(queryHeads),
    'attention.head_count_kv': whole(keyHeads),
  }
}

/** Sizes, rotation and root mean square norms, as llama.cpp's converter says them of most relatives of Llama. */
export function llamaMetadata(config: LlamaConfig): GgufMetadata {
  return {
    ...sizeMetadata(config),
    ...ropeMetadata(config, headsOf(config).headDim),
    ...normMetadata(config),
    ...(config.head_dim !== null && headMetadata(config.head_dim)),
  }
}

/** The same configuration with the length of heads in it. */
export function withHeads<Config extends LlamaConfig>(config: Config): Config {
  return { ...config, head_dim: headsOf(config).headDim }
}

/** The eps of root mean square norms. */
export function normMetadata({ rms_norm_eps: eps }: { rms_norm_eps: number }): GgufMetadata {
  return { 'attention.layer_norm_rms_epsilon': real(eps) }
}

/** The length of keys and values. */
export function headMetadata(headDim: number): GgufMetadata {
  return { 'attention.key_length': whole(headDim), 'attention.value_length': whole(headDim) }
}

/** What llama.cpp's converter says of a Llama beside that; the classes of Llama and Mistral always have a length of heads. */
export function llamaOwnMetadata(config: LlamaConfig): GgufMetadata {
  return {
    vocab_size: whole(config.vocab_size),
    'rope.dimension_count': whole(headsOf(config).headDim),
  }
}

/** The rotation of layers that see everything. Divisors of frequencies are tensors: see ropeTensors in export/. */
export function ropeMetadata(
  config: RopeConfig,
  headDim: number,
  options: RotaryOptions & { theta?: number } = {},
): GgufMetadata {
  const rope = ropeOf(config, headDim, options)
  const { scaling, theta } = rope
  const base = { 'rope.freq_base': real(theta) }
  if (scaling.type === 'linear')
    return { 'rope.scaling.type': text('linear'), 'rope.scaling.factor': real(scaling.factor), ...base }
  if (scaling.type !== 'yarn') return base
  const { parameters } = mergedParameters(config)
  // What llama.cpp multiplies scores with is made of the factor; the rest is said beside it.
  const usual = scaling.factor > 1 ? 1 + 0.1 * Math.log(scaling.factor) : 1
  const rest = ropeFrequencies(rope).attentionScaling / usual
  const { beta_fast: fast, beta_slow: slow, mscale_all_dim: log } = parameters
  return {
    'rope.scaling.type': text('yarn'),
    'rope.scaling.factor': real(scaling.factor),
    'rope.scaling.original_context_length': whole(scaling.originalMaxPositions),
    ...(Math.abs(rest - 1) > 1e-6 && !log && { 'rope.scaling.attn_factor': real(rest) }),
    ...(typeof fast === 'number' && { 'rope.scaling.yarn_beta_fast': real(fast) }),
    ...(typeof slow === 'number' && { 'rope.scaling.yarn_beta_slow': real(slow) }),
    ...base,
  }
}

/** The same of a rotation that is plain or longrope, whose factors are tensors. */
export function longropeMetadata(
  config: RopeConfig & { original_max_position_embeddings: number },
  headDim: number,
  options: RotaryOptions,
): GgufMetadata {
  const { rotaryDim, scaling } = ropeOf(config, headDim, options)
  return {
    'rope.scaling.original_context_length': whole(config.original_max_position_embeddings),
    'rope.dimension_count': whole(rotaryDim),
    ...ropeMetadata(config, headDim, options),
    ...(scaling.type === 'longrope' && { 'rope.scaling.attn_factor': real(scaling.attentionFactor) }),
  }
}

const text = (value: string): GgufEntry => ({ type: 'string', value })
