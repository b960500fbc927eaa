import { z } from 'zod'
import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { llamaMetadata, llamaOwnMetadata } from './gguf/gguf-metadata.ts'
import { biasesOf, biasKeys, checkLlama, llamaKeys } from './keys/llama-keys.ts'
import { eachLayer, flag, interval, unless } from './keys/values.ts'
import { slidingLayers, windowSize } from './keys/window-keys.ts'
import { llamaLike } from './layers/llama-like.ts'

const positionKeys = {
  rope_theta: z.number().positive().nullable().default(2_000_000),
  /** 1: the layer rotates queries and keys; 0: it knows no positions. */
  no_rope_layers: z.array(z.int()).nullish(),
  no_rope_layer_interval: interval(4),
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
}).extend({ ...positionKeys, ...biasKeys })

/** SmolLM3: a Llama in which every fourth layer knows no positions (https://huggingface.co/blog/smollm3). */
export const smollm3 = defineFamily({
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  keys,
  check: (config) => [
    ...checkLlama(config, config.sliding_window),
    ...unless(
      !config.no_rope_layers || config.no_rope_layers.length >= config.num_hidden_layers,
      'no_rope_layers',
      `a number for each of num_hidden_layers, ${config.num_hidden_layers}`,
    ),
  ],
  describe: (config) =>
    llamaLike(config, (layer) => ({
      biases: biasesOf(config),
      window: slidingOf(config)[layer] ? config.sliding_window : null,
      rotates: rotates(config, layer),
      ggufInterleaves: true,
    })),
  gguf: {
    architecture: 'smollm3',
    tensors: biasTensors,
    write: (config) => ({ ...llamaMetadata(config), ...llamaOwnMetadata(config) }),
    lost: (config) => [
      ...unless(
        eachLayer(config, (layer) => rotates(config, layer) === ((layer + 1) % 4 !== 0)).every(Boolean),
        'no_rope_layers',
        'every fourth layer, as llama.cpp computes',
      ),
      ...unless(!slidingOf(config).includes(true), 'sliding_window', 'no window, as llama.cpp computes'),
    ],
  },
})

type Config = z.output<typeof keys>

function rotates({ no_rope_layers, no_rope_layer_interval }: Config, layer: number): boolean {
  return no_rope_layers ? no_rope_layers[layer] !== 0 : (layer + 1) % no_rope_layer_interval !== 0
}

/** Layers that know no positions see a window, where one is used; a list of types decides alone. */
function slidingOf(config: Config): boolean[] {
  return slidingLayers(config, (layer) => config.use_sliding_window && !rotates(config, layer))
}
