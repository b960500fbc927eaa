import { z } from 'zod'
import type { Block } from '../../blocks/architecture.ts'
import type { SharedExpert } from '../../blocks/experts.ts'
import type { Norm } from '../../blocks/norm.ts'
import type { StoredNames } from '../family.ts'
import { layerWidth, type GgufConfig } from '../gguf/gguf-keys.ts'
import { expertMetadata } from '../gguf/expert-metadata.ts'
import { llamaMetadata, whole } from '../gguf/gguf-metadata.ts'
import type { LlamaConfig } from '../keys/llama-keys.ts'
import { checkRouter, routerKeys } from '../keys/router-keys.ts'
import { count, flag, unless, type KeyProblem } from '../keys/values.ts'
import { routedExperts } from '../layers/routed-experts.ts'

/** Keys of a Qwen whose MLPs are experts, in some layers or all. */
export const qwenExpertKeys = (defaults: { experts: number; perToken: number; inner: number }) => ({
  ...routerKeys({ perToken: defaults.perToken, lossWeight: 0.001 }),
  num_experts: z.int().nonnegative().default(defaults.experts),
  moe_intermediate_size: count(defaults.inner),
  norm_topk_prob: flag(false),
  /** Every so many layers one has experts. */
  decoder_sparse_step: count(1),
  /** Layers that have none. */
  mlp_only_layers: z.array(z.int()).nullish(),
})

export type QwenExpertConfig = LlamaConfig & z.output<z.ZodObject<ReturnType<typeof qwenExpertKeys>>>

/** What GGUF files of such a Qwen say of its experts; each of their layers has some. */
export const qwenExpertGguf = {
  obeys: ['expert_count', 'expert_used_count', 'expert_feed_forward_length'],
  metadata: (values: GgufConfig) => ({
    num_experts: values.expert_count,
    num_experts_per_tok: values.expert_used_count,
    // As llama.cpp: files of 2024 do not say it.
    moe_intermediate_size:
      values.expert_feed_forward_length ?? (layerWidth(values) ?? 0) / (values.expert_used_count ?? 1),
  }),
  write: (config: QwenExpertConfig) => ({
    ...llamaMetadata(config),
    ...expertMetadata(config.num_experts, config.num_experts_per_tok),
    expert_feed_forward_length: whole(config.moe_intermediate_size),
  }),
  lost: (config: QwenExpertConfig, isNormalised: boolean): KeyProblem[] => [
    ...unless(
      config.num_experts !== 0 && config.decoder_sparse_step === 1 && !config.mlp_only_layers?.length,
      'mlp_only_layers',
      'experts in every layer, as llama.cpp computes',
    ),
    ...unless(
      config.norm_topk_prob === isNormalised,
      'norm_topk_prob',
      `${String(isNormalised)}, as llama.cpp computes`,
    ),
  ],
} as const

/** What is wrong with a token's experts, where there are some. */
export function checkQwenExperts(config: QwenExpertConfig): KeyProblem[] {
  return config.num_experts === 0 ? [] : checkRouter(config.num_experts_per_tok, config.num_experts)
}

/** The experts of a layer behind its norm; undefined: it has an MLP. */
export function qwenExperts(
  config: QwenExpertConfig,
  layer: number,
  stored: StoredNames,
  shared?: SharedExpert,
): ((norm: Norm) => Block) | undefined {
  const { num_experts: experts_, decoder_sparse_step: step, mlp_only_layers: without } = config
  if (experts_ === 0 || without?.includes(layer) || (layer + 1) % step !== 0) return undefined
  const module = `${config.root ?? 'model'}.layers.${layer}.mlp`
  const projections = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' }
  const names = { ...projections, module, fused: module, gguf: `blk.${layer}` }
  const sizes = { count: experts_, inner: config.moe_intermediate_size }
  return routedExperts(config, { ...sizes, isNormalised: config.norm_topk_prob, names, shared }, stored)
}
