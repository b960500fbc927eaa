import { z } from 'zod'
import type { Block } from '../blocks/architecture.ts'
import { experts, plainGate, type SharedExpert } from '../blocks/experts.ts'
import type { Norm } from '../blocks/norm.ts'
import { activationNames } from './activation-keys.ts'
import { expertWeights } from './expert-weights.ts'
import type { StoredNames } from './family.ts'
import { layerWidth, type GgufConfig } from './gguf-keys.ts'
import { expertMetadata, llamaMetadata, whole } from './gguf-metadata.ts'
import type { KeyProblem } from './keys.ts'
import { count, flag } from './keys.ts'
import type { LlamaConfig } from './llama-keys.ts'
import { checkRouter, routerKeys, routerOf } from './router-keys.ts'

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
    ...(config.num_experts === 0 || config.decoder_sparse_step !== 1 || config.mlp_only_layers?.length
      ? [{ key: 'mlp_only_layers', expected: 'experts in every layer, as llama.cpp computes' }]
      : []),
    ...(config.norm_topk_prob === isNormalised
      ? []
      : [{ key: 'norm_topk_prob', expected: `${String(isNormalised)}, as llama.cpp computes` }]),
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
  const { hidden_size: width, moe_intermediate_size: inner, root = 'model' } = config
  const module = `${root}.layers.${layer}.mlp`
  const names = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj', fused: module, gguf: `blk.${layer}` }
  return (norm) =>
    experts({
      norm,
      router: routerOf(width, experts_, { safetensors: `${module}.gate`, gguf: `blk.${layer}.ffn_gate_inp` }),
      routing: { topK: config.num_experts_per_tok, isNormalised: config.norm_topk_prob },
      ...expertWeights({ count: experts_, width, inner }, { ...names, module }, stored),
      gate: plainGate(activationNames[config.hidden_act ?? 'silu']),
      shared,
    })
}
