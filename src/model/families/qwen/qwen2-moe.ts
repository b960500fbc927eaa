import type { z } from 'zod'
import { defineFamily } from '../family.ts'
import { biasTensors } from '../gguf/bias-tensors.ts'
import { whole } from '../gguf/gguf-metadata.ts'
import { lostUsedWindow } from '../gguf/window-metadata.ts'
import { checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { balanceOf } from '../keys/router-keys.ts'
import { count, flag } from '../keys/values.ts'
import { checkWindow, isSliding, usedWindow, windowKeys } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { checkQwenExperts, qwenExpertGguf, qwenExpertKeys, qwenExperts } from './qwen-experts.ts'
import { sharedExpert } from './shared-expert.ts'

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
    ...checkWindow(config, config.use_sliding_window && config.max_window_layers > 0),
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
    tensors: { qkv_bias: biasTensors.attention_bias },
    metadata: (values) => ({
      ...qwenExpertGguf.metadata(values),
      shared_expert_intermediate_size: values.expert_shared_feed_forward_length ?? values.feed_forward_length,
    }),
    write: (config) => ({
      ...qwenExpertGguf.write(config),
      expert_shared_feed_forward_length: whole(config.shared_expert_intermediate_size),
    }),
    lost: (config) => [...qwenExpertGguf.lost(config, false), ...lostUsedWindow(config)],
  },
})

/** Every second layer from the first on sees a window, below max_window_layers. */
function windowOf(config: Config, layer: number): number | null {
  const { layer_types: types, max_window_layers: most } = config
  const slides = types ? isSliding(types[layer]) : layer % 2 === 0 && layer < most
  return slides ? usedWindow(config) : null
}
