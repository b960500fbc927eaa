import { z } from 'zod'
import { defineFamily, type StoredNames } from '../family.ts'
import { localExpertConfig, localExpertMetadata } from '../gguf/expert-metadata.ts'
import { llamaMetadata, llamaOwnMetadata } from '../gguf/gguf-metadata.ts'
import { lostWindow } from '../gguf/window-metadata.ts'
import { routerUnobeyed } from '../keys/every-model.ts'
import { checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { balanceOf, checkRouter, localExpertKeys, localExperts, routerKeys } from '../keys/router-keys.ts'
import { windowSize } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { routedExperts } from '../layers/routed-experts.ts'

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
  ...localExpertKeys(8),
  sliding_window: windowSize(null),
})

type Config = z.output<typeof keys> & { root: string }

/** Mixtral: a Mistral whose MLPs are experts, of which a token goes to some (https://arxiv.org/abs/2401.04088). */
export const mixtral = defineFamily({
  modelType: 'mixtral',
  className: 'MixtralForCausalLM',
  keys,
  unobeyed: routerUnobeyed,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...checkRouter(config.num_experts_per_tok, localExperts(config)),
  ],
  describe: (config, stored) =>
    llamaLike(
      config,
      (layer) => ({
        window: config.sliding_window,
        ggufInterleaves: true,
        feedForward: expertsOf(config, layer, stored),
      }),
      balanceOf(config),
    ),
  gguf: {
    architecture: 'llama',
    marked: 'expert_count',
    obeys: ['expert_count', 'expert_used_count'],
    metadata: (values) => ({
      ...localExpertConfig(values),
      sliding_window: null,
    }),
    write: (config) => ({
      ...llamaMetadata(config),
      ...localExpertMetadata(config),
      ...llamaOwnMetadata(config),
    }),
    lost: lostWindow,
  },
})

function expertsOf(config: Config, layer: number, stored: StoredNames) {
  const [fused, hub] = ['mlp', 'block_sparse_moe'].map((name) => `${config.root}.layers.${layer}.${name}`)
  const module = stored.has(`${fused}.gate.weight`) ? fused : hub
  const names = { module, gate: 'w1', up: 'w3', down: 'w2', fused, gguf: `blk.${layer}` }
  const sizes = { count: localExperts(config), inner: config.intermediate_size }
  return routedExperts(config, { ...sizes, isNormalised: true, names }, stored)
}
