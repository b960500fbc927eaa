import { isOneOf } from '../../../formats/foreign/index.ts'
import { onePlus } from '../../weights/transforms.ts'
import { defineFamily } from '../family.ts'
import { biasesOf } from '../keys/llama-keys.ts'
import { llamaLike } from '../layers/llama-like.ts'
import { lostOfQwen35, qwen35Gguf, qwen35Metadata } from './qwen3-5-gguf.ts'
import { attends, checkQwen35, llamaConfig, qwen35Keys, qwen35Within, rotary } from './qwen3-5-keys.ts'
import { qwen35Memory } from './qwen3-5-memory.ts'

const names = { mlpNorm: ['post_attention_layernorm', 'post_attention_norm'] } as const

/**
 * Qwen3.5's text models: three of four layers have a memory that is written by the gated delta rule, the others attend with
 * gates (https://huggingface.co/Qwen/Qwen3.5-9B).
 */
export const qwen35 = defineFamily({
  modelType: 'qwen3_5_text',
  className: 'Qwen3_5ForCausalLM',
  classifierName: 'Qwen3_5TextForSequenceClassification',
  keys: qwen35Keys,
  // Of the head that guesses two tokens ahead, which the class does not load, and how other software computes.
  harmless: ['mtp_num_hidden_layers', 'mtp_use_dedicated_embeddings', 'mamba_ssm_dtype', 'mlp_only_layers'],
  unobeyed: {
    attn_output_gate: {
      isHarmless: isOneOf(true),
      expected: 'true: the class always gates what attention gives',
      severity: 'notice',
    },
  },
  within: qwen35Within,
  check: checkQwen35,
  describe: (config) =>
    llamaLike(
      llamaConfig(config),
      (layer) =>
        attends(config, layer)
          ? { names, biases: biasesOf(config), hasGates: true, headNorms: 'each' }
          : { names, ...qwen35Memory(config) },
      { gain: onePlus, ...rotary },
    ),
  gguf: { ...qwen35Gguf, write: qwen35Metadata, lost: lostOfQwen35 },
})
