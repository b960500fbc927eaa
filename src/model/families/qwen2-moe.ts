import type { z } from 'zod'
import type { SharedExpert } from '../blocks/experts.ts'
import { linear } from '../blocks/linear.ts'
import { defineFamily } from './family.ts'
import { whole } from './gguf-metadata.ts'
import { count, flag } from './keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { checkQwenExperts, qwenExpertGguf, qwenExpertKeys, qwenExperts } from './qwen-experts.ts'
import { balanceOf } from './router-keys.ts'
import { isSliding, lostWindow, usedWindow, windowKeys } from './window-keys.ts'

const keys = llamaKeys({
  vocabSize: 151_936,
  hiddenSize: 2048,
  intermediateSize: 5632,
  layers: 24,
  heads: 16,
  keyHeads: 16,
  maxPositions: 32768,
  bos: null,
  eos: null,
}).extend({
  ...qwenExpertKeys({ experts: 60, perToken: 4, inner: 1408 }),
  ...windowKeys,
  shared_expert_intermediate_size: count(5632),
  qkv_bias: flag(true),
})

type Config = z.output<typeof keys>

/** Qwen 1.5 and 2 with experts, beside which every token goes to a shared one (https://arxiv.org/abs/2407.10671). */
export const qwen2Moe = defineFamily({
  modelType: 'qwen2_moe',
  className: 'Qwen2MoeForCausalLM',
  keys,
  check: (config) => [
    ...checkLlama(config, usedWindow(config)),
    ...checkQwenExperts(config),
    ...(config.use_sliding_window && config.sliding_window === null && config.max_window_layers > 0
      ? [{ key: 'sliding_window', expected: 'a number: there are layers that see a window' }]
      : []),
  ],
  describe: (config, stored) =>
    llamaLike(
      config,
      (layer) => ({
        biases: { qkv: config.qkv_bias },
        window: windowOf(config, layer),
        feedForward: qwenExperts(config, layer, stored, sharedExpert(config, layer)),
      }),
      balanceOf(config),
    ),
  gguf: {
    architecture: 'qwen2moe',
    obeys: [...qwenExpertGguf.obeys, 'expert_shared_feed_forward_length'],
    tensors: { qkv_bias: 'blk.0.attn_q.bias' },
    metadata: (values) => ({
      ...qwenExpertGguf.metadata(values),
      shared_expert_intermediate_size: values.expert_shared_feed_forward_length ?? values.feed_forward_length,
    }),
    write: (config) => ({
      ...qwenExpertGguf.write(config),
      expert_shared_feed_forward_length: whole(config.shared_expert_intermediate_size),
    }),
    lost: (config) => [
      ...qwenExpertGguf.lost(config, false),
      ...lostWindow(usedWindow(config), config.max_position_embeddings),
    ],
  },
})

/** Every second layer from the first on sees a window, below max_window_layers. */
function windowOf(config: Config, layer: number): number | null {
  const { layer_types: types, max_window_layers: most } = config
  const slides = types ? isSliding(types[layer]) : layer % 2 === 0 && layer < most
  return slides ? usedWindow(config) : null
}

function sharedExpert(
  { hidden_size: width, shared_expert_intermediate_size: inner, root }: Config & { root: string },
  layer: number,
): SharedExpert {
  const named = (safetensors: string, gguf: string, rows: number) => ({
    module: { safetensors: `${root}.layers.${layer}.mlp.${safetensors}`, gguf: `blk.${layer}.${gguf}` },
    rows,
  })
  return {
    weight: linear(width, [named('shared_expert_gate', 'ffn_gate_inp_shexp', 1)], false),
    gateUp: linear(
      width,
      [
        named('shared_expert.gate_proj', 'ffn_gate_shexp', inner),
        named('shared_expert.up_proj', 'ffn_up_shexp', inner),
      ],
      false,
    ),
    down: linear(inner, [named('shared_expert.down_proj', 'ffn_down_shexp', width)], false),
  }
}
