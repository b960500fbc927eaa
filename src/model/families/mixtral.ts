import { z } from 'zod'
import { experts, plainGate } from '../blocks/experts.ts'
import { activationNames } from './activation-keys.ts'
import { expertWeights } from './expert-weights.ts'
import { defineFamily } from './family.ts'
import { expertMetadata, llamaMetadata, llamaOwnMetadata } from './gguf-metadata.ts'
import { count, optionalCount, routerUnobeyed } from './keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { balanceOf, checkRouter, routerKeys, routerOf } from './router-keys.ts'
import { lostWindow, windowSize } from './window-keys.ts'

const keys = llamaKeys({
  vocabSize: 32000,
  hiddenSize: 4096,
  intermediateSize: 14336,
  layers: 32,
  heads: 32,
  keyHeads: 8,
  maxPositions: 131_072,
  normEps: 1e-5,
  bos: 1,
  eos: 2,
}).extend({
  ...routerKeys({ perToken: 2, lossWeight: 0.001 }),
  rope_theta: z.number().positive().nullable().default(1_000_000),
  num_local_experts: count(8),
  /** What Transformers 5 takes for it, too; it counts where both are there. */
  num_experts: optionalCount(null),
  sliding_window: windowSize(null),
})

const expertsOf = ({ num_experts, num_local_experts }: z.output<typeof keys>) =>
  num_experts ?? num_local_experts

/** Mixtral: a Mistral whose MLPs are experts, of which a token goes to some (https://arxiv.org/abs/2401.04088). */
export const mixtral = defineFamily({
  modelType: 'mixtral',
  className: 'MixtralForCausalLM',
  keys,
  unobeyed: routerUnobeyed,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...checkRouter(config.num_experts_per_tok, expertsOf(config)),
  ],
  describe: (config, stored) => {
    const { hidden_size: width, intermediate_size: inner } = config
    const experts_ = expertsOf(config)
    return llamaLike(
      config,
      (layer) => ({
        window: config.sliding_window,
        ggufInterleaves: true,
        feedForward: (norm) => {
          const [fused, hub] = [
            `${config.root}.layers.${layer}.mlp`,
            `${config.root}.layers.${layer}.block_sparse_moe`,
          ]
          const module = stored.has(`${fused}.gate.weight`) ? fused : hub
          const names = { module, gate: 'w1', up: 'w3', down: 'w2', fused, gguf: `blk.${layer}` }
          return experts({
            norm,
            router: routerOf(width, experts_, {
              safetensors: `${module}.gate`,
              gguf: `blk.${layer}.ffn_gate_inp`,
            }),
            routing: { topK: config.num_experts_per_tok, isNormalised: true },
            ...expertWeights({ count: experts_, width, inner }, names, stored),
            gate: plainGate(activationNames[config.hidden_act]),
          })
        },
      }),
      balanceOf(config),
    )
  },
  gguf: {
    architecture: 'llama',
    marked: 'expert_count',
    obeys: ['expert_count', 'expert_used_count'],
    metadata: (values) => ({
      num_local_experts: values.expert_count,
      num_experts_per_tok: values.expert_used_count,
      sliding_window: null,
    }),
    write: (config) => ({
      ...llamaMetadata(config),
      ...expertMetadata(expertsOf(config), config.num_experts_per_tok),
      ...llamaOwnMetadata(config),
    }),
    lost: ({ sliding_window: window, max_position_embeddings: positions }) => lostWindow(window, positions),
  },
})
