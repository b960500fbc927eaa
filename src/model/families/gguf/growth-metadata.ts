import type { RopeParameters } from '../keys/rope-keys.ts'
import type { GgufConfig } from './gguf-keys.ts'
import { real, type GgufMetadata } from './gguf-metadata.ts'

/** What GGUF files say of queries that grow with their positions, and of yarn's factor beside it. */
export function growthMetadata({
  mscale_all_dim: log,
  llama_4_scaling_beta: beta,
}: Pick<RopeParameters, 'mscale_all_dim' | 'llama_4_scaling_beta'>): GgufMetadata {
  return {
    ...(log && { 'rope.scaling.yarn_log_multiplier': real(log) }),
    ...(beta && { 'attention.temperature_scale': real(beta) }),
  }
}

/** The same read: the rotation with it. */
export function grownParameters(values: GgufConfig, rope: Record<string, unknown>): Record<string, unknown> {
  const log = values['rope.scaling.yarn_log_multiplier']
  return {
    ...rope,
    llama_4_scaling_beta: values['attention.temperature_scale'] ?? 0,
    original_max_position_embeddings: rope['original_max_position_embeddings'] ?? values.context_length,
    ...(log && { mscale: 1, mscale_all_dim: log }),
  }
}
