import { layerNorm } from '../blocks/norm.ts'
import { biases, gain } from '../weights/parameters.ts'
import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { llamaMetadata, real } from './gguf/gguf-metadata.ts'
import { lostWindow, windowMetadata } from './gguf/window-metadata.ts'
import { activationName } from './keys/activation-keys.ts'
import { dropout } from './keys/every-model.ts'
import { checkLlama, llamaKeys } from './keys/llama-keys.ts'
import { count, flag, number } from './keys/values.ts'
import { windowSize } from './keys/window-keys.ts'
import { llamaLike } from './layers/llama-like.ts'

const keys = llamaKeys({
  vocabSize: 49_152,
  hiddenSize: 3072,
  intermediateSize: 12_288,
  layers: 30,
  heads: 24,
  keyHeads: 2,
  maxPositions: 4096,
  tied: true,
  bos: 50_256,
  eos: 50_256,
})
  .omit({ rms_norm_eps: true })
  .extend({
    num_key_value_heads: count(2),
    hidden_act: activationName('gelu_pytorch_tanh'),
    norm_epsilon: number(1e-5),
    use_bias: flag(true),
    sliding_window: windowSize(null),
  })

/** Starcoder 2: rotated grouped heads, layer norms, and an MLP without gates (https://arxiv.org/abs/2402.19173). */
export const starcoder2 = defineFamily({
  modelType: 'starcoder2',
  className: 'Starcoder2ForCausalLM',
  keys,
  unobeyed: { residual_dropout: dropout, embedding_dropout: dropout },
  check: (config) => checkLlama({ ...config, rms_norm_eps: config.norm_epsilon }, config.sliding_window),
  describe(config) {
    const { hidden_size: width, norm_epsilon: eps, use_bias: hasBias } = config
    return llamaLike(
      { ...config, rms_norm_eps: eps },
      () => ({
        biases: { qkv: hasBias, output: hasBias, mlp: hasBias },
        hasGatedMlp: false,
        names: { up: ['mlp.c_fc', 'ffn_up'], down: ['mlp.c_proj', 'ffn_down'] },
        window: config.sliding_window,
      }),
      {
        norm: (module) => layerNorm(gain(module, width), biases([{ module, rows: width }]), eps),
      },
    )
  },
  gguf: {
    architecture: 'starcoder2',
    obeys: ['attention.layer_norm_epsilon'],
    tensors: { use_bias: biasTensors.attention_bias },
    metadata: (values) => ({
      hidden_act: 'gelu_pytorch_tanh',
      norm_epsilon: values['attention.layer_norm_epsilon'],
      ...windowMetadata(values),
    }),
    write(config) {
      const { 'attention.layer_norm_rms_epsilon': _, ...common } = llamaMetadata({
        ...config,
        rms_norm_eps: config.norm_epsilon,
      })
      return { ...common, 'attention.layer_norm_epsilon': real(config.norm_epsilon) }
    },
    lost: lostWindow,
  },
})
