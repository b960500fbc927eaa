import { z } from 'zod'
import { defineFamily } from '../family.ts'
import { lostWindow } from '../gguf/window-metadata.ts'
import { biasesOf, checkLlama, llamaKeys } from '../keys/llama-keys.ts'
import { balanceOf } from '../keys/router-keys.ts'
import { flag, optionalCount } from '../keys/values.ts'
import { windowSize } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { checkQwenExperts, qwenExpertGguf, qwenExpertKeys, qwenExperts } from './qwen-experts.ts'

const keys = llamaKeys({
  vocabSize: 151_936,
  hiddenSize: 2048,
  intermediateSize: 6144,
  layers: 24,
  heads: 32,
  keyHeads: 4,
  maxPositions: 32768,
  bos: null,
  eos: null,
}).extend({
  ...qwenExpertKeys({ experts: 128, perToken: 8, inner: 768 }),
  /** What Transformers 5 writes for num_experts; it counts where both are there. */
  num_local_experts: optionalCount(null),
  attention_bias: flag(false),
  use_sliding_window: flag(false),
  sliding_window: windowSize(4096),
})

type Config = z.output<typeof keys>
/** As the class reads them: all layers see a window, or none does. */
const asRead = (config: Config) => ({
  ...config,
  layer_types: null,
  num_experts: config.num_local_experts ?? config.num_experts,
})
const windowOf = ({ use_sliding_window, sliding_window }: Config) =>
  use_sliding_window ? sliding_window : null

/** Qwen 3 with experts: no shared one, and weights that sum to one where norm_topk_prob says so (https://arxiv.org/abs/2505.09388). */
export const qwen3Moe = defineFamily({
  modelType: 'qwen3_moe',
  className: 'Qwen3MoeForCausalLM',
  keys,
  // The class checks the types of its layers, and does not obey them.
  check: (config) => [...checkLlama(config, windowOf(config)), ...checkQwenExperts(asRead(config))],
  describe: (config, stored) =>
    llamaLike(
      asRead(config),
      (layer) => ({
        biases: biasesOf(config),
        headNorms: 'each',
        window: windowOf(config),
        feedForward: qwenExperts(asRead(config), layer, stored),
      }),
      balanceOf(config),
    ),
  gguf: {
    architecture: 'qwen3moe',
    obeys: qwenExpertGguf.obeys,
    // llama.cpp always makes them sum to one.
    metadata: (values) => ({ ...qwenExpertGguf.metadata(values), norm_topk_prob: true }),
    write: (config) => qwenExpertGguf.write(asRead(config)),
    lost: (config) => [
      ...qwenExpertGguf.lost(asRead(config), true),
      ...lostWindow({ ...config, sliding_window: windowOf(config) }),
    ],
  },
})
