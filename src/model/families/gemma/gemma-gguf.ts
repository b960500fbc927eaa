import type { GgufConfig } from '../gguf/gguf-keys.ts'
import { headMetadata, normMetadata, whole, type GgufMetadata } from '../gguf/gguf-metadata.ts'
import { windowMetadata } from '../gguf/window-metadata.ts'
import { unless, type KeyProblem } from '../keys/values.ts'
import type { GemmaConfig } from './gemma-keys.ts'

type Sizes = Pick<
  GemmaConfig,
  | 'hidden_size'
  | 'num_attention_heads'
  | 'num_hidden_layers'
  | 'head_dim'
  | 'query_pre_attn_scalar'
  | 'rms_norm_eps'
  | 'sliding_window'
>

/** What is lost where scores are scaled otherwise than llama.cpp does, which tells the largest model by its layers. */
export function lostScale(config: Sizes, largest: number): KeyProblem[] {
  const { query_pre_attn_scalar: scalar, num_hidden_layers: layers } = config
  const expected = layers === largest ? config.hidden_size / config.num_attention_heads : config.head_dim
  return unless(scalar === expected, 'query_pre_attn_scalar', `${expected}, as llama.cpp computes`)
}

/**
 * The same keys from the metadata of a GGUF file.
 *
 * @param largest  layers of the model whose scores are scaled by its width: llama.cpp tells it by them
 */
export function gemmaMetadata(values: GgufConfig, largest: number): Record<string, unknown> {
  const share = values.embedding_length / values['attention.head_count']
  return {
    query_pre_attn_scalar: values.block_count === largest ? share : (values['attention.key_length'] ?? share),
    ...windowMetadata(values),
  }
}

/** The lengths of heads, and the window where layers see one. */
export function gemmaWritten(config: Sizes, slides: boolean): GgufMetadata {
  const { sliding_window: window } = config
  return {
    ...normMetadata(config),
    ...headMetadata(config.head_dim),
    ...(window !== null && slides && { 'attention.sliding_window': whole(window) }),
  }
}
