import { layerNorm } from '../blocks/norm.ts'
import { biases, gain, type ModuleName } from '../weights/parameters.ts'
import { activationName } from './activation-keys.ts'
import { defineFamily } from './family.ts'
import { llamaMetadata, real } from './gguf-metadata.ts'
import { count, dropout, flag, number } from './keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { lostWindow, windowSize } from './window-keys.ts'

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
        ungated: { up: ['mlp.c_fc', 'ffn_up'], down: ['mlp.c_proj', 'ffn_down'] },
        window: config.sliding_window,
      }),
      {
        norm: (module: ModuleName) => layerNorm(gain(module, width), biases([{ module, rows: width }]), eps),
      },
    )
  },
  gguf: {
    architecture: 'starcoder2',
    obeys: ['attention.layer_norm_epsilon'],
    tensors: { use_bias: 'blk.0.attn_q.bias' },
    metadata: (values) => ({
      hidden_act: 'gelu_pytorch_tanh',
      norm_epsilon: values['attention.layer_norm_epsilon'],
      sliding_window: values['attention.sliding_window'] || null,
    }),
    write(config) {
      const { 'attention.layer_norm_rms_epsilon': _, ...common } = llamaMetadata({
        ...config,
        rms_norm_eps: config.norm_epsilon,
      })
      return { ...common, 'attention.layer_norm_epsilon': real(config.norm_epsilon) }
    },
    lost: ({ sliding_window: window, max_position_embeddings: positions }) => lostWindow(window, positions),
  },
})
