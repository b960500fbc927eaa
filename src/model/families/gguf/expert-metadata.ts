import { localExperts } from '../keys/router-keys.ts'
import type { GgufConfig } from './gguf-keys.ts'
import { whole, type GgufMetadata } from './gguf-metadata.ts'

/** Experts of each layer, and those that a token goes to. */
export function expertMetadata(count: number, used: number): GgufMetadata {
  return { expert_count: whole(count), expert_used_count: whole(used) }
}

/** The same of a family that calls its experts local. */
export function localExpertMetadata(
  config: Parameters<typeof localExperts>[0] & { num_experts_per_tok: number },
): GgufMetadata {
  return expertMetadata(localExperts(config), config.num_experts_per_tok)
}

/** Its keys from the metadata of a GGUF file. */
export function localExpertConfig({ expert_count, expert_used_count }: GgufConfig): Record<string, unknown> {
  return { num_local_experts: expert_count, num_experts_per_tok: expert_used_count }
}
