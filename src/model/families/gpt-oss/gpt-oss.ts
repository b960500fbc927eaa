import { defineFamily } from '../family.ts'
import { biasTensors } from '../gguf/bias-tensors.ts'
import { localExpertConfig, localExpertMetadata } from '../gguf/expert-metadata.ts'
import { llamaMetadata, whole } from '../gguf/gguf-metadata.ts'
import { lostAlternation } from '../gguf/window-metadata.ts'
import { biasesOf, checkLlama } from '../keys/llama-keys.ts'
import { balanceOf, checkRouter, localExperts } from '../keys/router-keys.ts'
import { unless } from '../keys/values.ts'
import { checkWindow } from '../keys/window-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { gptOssExperts } from './gpt-oss-experts.ts'
import { gptOssKeys, slidingOf } from './gpt-oss-keys.ts'

/** gpt-oss: experts with biases, and sinks beside the scores (https://arxiv.org/abs/2508.10925). */
export const gptOss = defineFamily({
  modelType: 'gpt_oss',
  className: 'GptOssForCausalLM',
  keys: gptOssKeys,
  // The class has an activation of its own.
  harmless: ['hidden_act'],
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...checkWindow(config, !config.layer_types),
    ...checkRouter(config.num_experts_per_tok, localExperts(config)),
  ],
  describe(config) {
    const slides = slidingOf(config)
    return llamaLike(
      config,
      (layer) => ({
        biases: biasesOf(config),
        sinks: true,
        names: { mlpNorm: ['post_attention_layernorm', 'post_attention_norm'] },
        window: slides[layer] ? config.sliding_window : null,
        feedForward: gptOssExperts(config, `${config.root}.layers.${layer}.mlp`, `blk.${layer}`),
      }),
      balanceOf(config),
    )
  },
  gguf: {
    architecture: 'gpt-oss',
    obeys: ['expert_count', 'expert_used_count', 'expert_feed_forward_length'],
    tensors: { attention_bias: biasTensors.attention_bias },
    metadata: (values, rope) => ({
      ...localExpertConfig(values),
      intermediate_size: values.expert_feed_forward_length ?? values.feed_forward_length,
      sliding_window: values['attention.sliding_window'],
      // Such files do not say it.
      rope_parameters: { ...rope, ...(rope['rope_type'] === 'yarn' && { truncate: false }) },
    }),
    write: (config) => ({
      ...llamaMetadata(config),
      ...localExpertMetadata(config),
      ...(config.sliding_window !== null && { 'attention.sliding_window': whole(config.sliding_window) }),
      expert_feed_forward_length: whole(config.intermediate_size),
    }),
    lost: (config) => [
      ...unless(
        config.swiglu_alpha === 1.702 && config.swiglu_limit === 7,
        'swiglu_alpha',
        '1.702, and 7 as swiglu_limit, as llama.cpp computes',
      ),
      ...lostAlternation(slidingOf(config)),
    ],
  },
})
