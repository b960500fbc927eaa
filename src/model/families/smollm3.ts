import { z } from 'zod'
import { defineFamily } from './family.ts'
import { llamaMetadata, llamaOwnMetadata } from './gguf-metadata.ts'
import { flag } from './keys.ts'
import type { LlamaConfig } from './llama-keys.ts'
import { checkLlama, llamaKeys } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { isSliding, windowSize } from './window-keys.ts'

const positionKeys = {
  rope_theta: z.number().positive().nullable().default(2_000_000),
  /** 1: the layer rotates queries and keys; 0: it knows no positions. */
  no_rope_layers: z.array(z.int()).nullish(),
  no_rope_layer_interval: z
    .int()
    .refine((interval) => interval !== 0, 'another number than 0')
    .default(4),
  use_sliding_window: flag(false),
  sliding_window: windowSize(null),
}

const keys = llamaKeys({
  vocabSize: 128_256,
  hiddenSize: 2048,
  intermediateSize: 11008,
  layers: 36,
  heads: 16,
  keyHeads: 4,
  maxPositions: 32768,
  tied: true,
  bos: 128_000,
  eos: 128_001,
}).extend({ ...positionKeys, attention_bias: flag(false), mlp_bias: flag(false) })

/** SmolLM3: a Llama in which every fourth layer knows no positions (https://huggingface.co/blog/smollm3). */
export const smollm3 = defineFamily({
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  keys,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...(config.no_rope_layers && config.no_rope_layers.length < config.num_hidden_layers
      ? [
          {
            key: 'no_rope_layers',
            expected: `a number for each of num_hidden_layers, ${config.num_hidden_layers}`,
          },
        ]
      : []),
  ],
  describe: (config) =>
    llamaLike(config, (layer) => ({
      biases: { qkv: config.attention_bias, output: config.attention_bias, mlp: config.mlp_bias },
      window: slides(config, layer) ? config.sliding_window : null,
      rotates: rotates(config, layer),
      ggufInterleaves: true,
    })),
  gguf: {
    architecture: 'smollm3',
    tensors: { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' },
    write: (config) => ({ ...llamaMetadata(config), ...llamaOwnMetadata(config) }),
    lost: (config) => [
      ...(Array.from({ length: config.num_hidden_layers }, (_, layer) => rotates(config, layer)).every(
        (isRotated, layer) => isRotated === ((layer + 1) % 4 !== 0),
      )
        ? []
        : [{ key: 'no_rope_layers', expected: 'every fourth layer, as llama.cpp computes' }]),
      ...(Array.from({ length: config.num_hidden_layers }, (_, layer) => slides(config, layer)).includes(true)
        ? [{ key: 'sliding_window', expected: 'no window, as llama.cpp computes' }]
        : []),
    ],
  },
})

type PositionConfig = z.output<z.ZodObject<typeof positionKeys>> & Pick<LlamaConfig, 'layer_types'>

function rotates({ no_rope_layers, no_rope_layer_interval }: PositionConfig, layer: number): boolean {
  return no_rope_layers ? no_rope_layers[layer] !== 0 : (layer + 1) % no_rope_layer_interval !== 0
}

/** Layers that know no positions see a window, where one is used; a list of types decides alone. */
function slides(config: PositionConfig, layer: number): boolean {
  const { layer_types, use_sliding_window } = config
  return layer_types ? isSliding(layer_types[layer]) : use_sliding_window && !rotates(config, layer)
}
