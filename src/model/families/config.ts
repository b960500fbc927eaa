import { FettleError } from '../../error.ts'

/** Rotary position embedding; which fields count depends on the type. */
export interface RopeConfig {
  type: 'default' | 'linear' | 'llama3' | 'yarn'
  theta: number
  /** Share of each head that is rotated. */
  partialRotaryFactor: number
  factor: number
  originalMaxPositions: number
  lowFrequencyFactor: number
  highFrequencyFactor: number
  betaFast: number
  betaSlow: number
  truncate: boolean
  attentionFactor?: number
  mscale?: number
  mscaleAllDim?: number
  /** Divisors of each frequency, as llama.cpp stores them (`rope_freqs.weight`). */
  factors?: Float32Array
}

/** What the architecture is built from; one definition serves all `modelTypes`. */
export interface ModelConfig {
  modelType: ModelType
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layerCount: number
  headCount: number
  keyHeadCount: number
  headDim: number
  normEps: number
  rope: RopeConfig
  tiedEmbeddings: boolean
  biases: { qkv: boolean; output: boolean; mlp: boolean }
  /** RMS normalisation of each query and key head (Qwen3). */
  qkNorm: boolean
  /** Sliding window of each layer; 0: none. */
  windows: number[]
  maxPositions: number
  bosTokenId?: number
  eosTokenIds: number[]
  /** Type of the stored weights, where the file says so. */
  storedDtype?: string
  /** config.json as it was read; kept for saving. */
  raw: Record<string, unknown>
}

export const modelTypes = ['llama', 'mistral', 'qwen2', 'qwen3'] as const
export type ModelType = (typeof modelTypes)[number]

/**
 * Reads a Hugging Face config.json, in the spelling of transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`)
 * or 5 (`rope_parameters`, `dtype`).
 *
 * @param place  the file, for messages
 * @throws FettleError on an unknown architecture, a missing or wrong field, or a rope type that is not supported
 */
export function parseModelConfig(raw: Record<string, unknown>, place: string): ModelConfig {
  const modelType = modelTypes.find((type) => type === raw['model_type'])
  if (!modelType)
    throw new FettleError({
      place,
      found: `model_type ${JSON.stringify(raw['model_type'])}`,
      expected: modelTypes.join(', '),
      cure: 'fettle does not know this architecture; choose a model of one of these families.',
    })
  const number = (key: string, fallback?: number): number => {
    const value = raw[key] ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new FettleError({
      place,
      found: `${key}: ${JSON.stringify(raw[key]) ?? 'nothing'}`,
      expected: 'a number',
    })
  }
  const hiddenSize = number('hidden_size')
  const headCount = number('num_attention_heads')
  const layerCount = number('num_hidden_layers')
  const activation = raw['hidden_act'] ?? 'silu'
  if (activation !== 'silu' && activation !== 'swish')
    throw new FettleError({ place, found: `hidden_act ${JSON.stringify(activation)}`, expected: 'silu' })
  const attentionBias = raw['attention_bias'] === true
  const eos = raw['eos_token_id']
  const dtype = raw['dtype'] ?? raw['torch_dtype']
  const isQwen = modelType === 'qwen2' || modelType === 'qwen3'
  return {
    modelType,
    vocabSize: number('vocab_size'),
    hiddenSize,
    intermediateSize: number('intermediate_size'),
    layerCount,
    headCount,
    keyHeadCount: number('num_key_value_heads', headCount),
    headDim: number('head_dim', modelType === 'qwen3' ? 128 : hiddenSize / headCount),
    normEps: number('rms_norm_eps', 1e-6),
    rope: parseRope(raw, place, number('max_position_embeddings', 2048)),
    tiedEmbeddings: raw['tie_word_embeddings'] === true,
    biases: {
      qkv: modelType === 'qwen2' || (modelType !== 'mistral' && attentionBias),
      output:
        !isQwen && modelType !== 'mistral' && attentionBias ? true : modelType === 'qwen3' && attentionBias,
      mlp: modelType === 'llama' && raw['mlp_bias'] === true,
    },
    qkNorm: modelType === 'qwen3',
    windows: windows(raw, modelType, layerCount),
    maxPositions: number('max_position_embeddings', 2048),
    ...(typeof raw['bos_token_id'] === 'number' ? { bosTokenId: raw['bos_token_id'] } : {}),
    eosTokenIds: (Array.isArray(eos) ? eos : [eos]).filter((id): id is number => typeof id === 'number'),
    ...(typeof dtype === 'string' ? { storedDtype: dtype } : {}),
    raw,
  }
}

function windows(raw: Record<string, unknown>, modelType: ModelType, layerCount: number): number[] {
  const size = typeof raw['sliding_window'] === 'number' ? raw['sliding_window'] : 0
  const layers = Array.from({ length: layerCount }, (_, i) => i)
  if (modelType === 'llama') return layers.map(() => 0)
  if (modelType === 'mistral') return layers.map(() => size)
  if (raw['use_sliding_window'] !== true) return layers.map(() => 0)
  const types = raw['layer_types']
  if (Array.isArray(types)) return layers.map((i) => (types[i] === 'sliding_attention' ? size : 0))
  // Before transformers 4.53 the files had no layer_types: the upper layers are the ones with a window.
  const full = typeof raw['max_window_layers'] === 'number' ? raw['max_window_layers'] : 28
  return layers.map((i) => (i >= full ? size : 0))
}

/** The rotation that a config.json asks for. */
export function parseRope(raw: Record<string, unknown>, place: string, maxPositions: number): RopeConfig {
  const scaling = (raw['rope_parameters'] ?? raw['rope_scaling'] ?? {}) as Record<string, unknown>
  const number = (key: string): number | undefined => {
    const value = scaling[key]
    return typeof value === 'number' ? value : undefined
  }
  const type = scaling['rope_type'] ?? scaling['type'] ?? 'default'
  if (type !== 'default' && type !== 'linear' && type !== 'llama3' && type !== 'yarn')
    throw new FettleError({
      place,
      found: `rope_type ${JSON.stringify(type)}`,
      expected: 'default, linear, llama3 or yarn',
    })
  const theta = number('rope_theta') ?? (typeof raw['rope_theta'] === 'number' ? raw['rope_theta'] : 10000)
  const partial = number('partial_rotary_factor') ?? raw['partial_rotary_factor']
  const optional = { attentionFactor: 'attention_factor', mscale: 'mscale', mscaleAllDim: 'mscale_all_dim' }
  const given = Object.entries(optional).flatMap(([name, key]) => {
    const value = number(key)
    return value === undefined ? [] : [[name, value]]
  })
  return {
    type,
    theta,
    partialRotaryFactor: typeof partial === 'number' ? partial : 1,
    factor: number('factor') ?? 1,
    originalMaxPositions: number('original_max_position_embeddings') ?? maxPositions,
    lowFrequencyFactor: number('low_freq_factor') ?? 1,
    highFrequencyFactor: number('high_freq_factor') ?? 4,
    betaFast: number('beta_fast') ?? 32,
    betaSlow: number('beta_slow') ?? 1,
    truncate: scaling['truncate'] !== false,
    ...(Object.fromEntries(given) as Partial<RopeConfig>),
  }
}
