import { z } from 'zod'
import { defineFamily } from './family.ts'
import { biasTensors } from './gguf/bias-tensors.ts'
import { flags, llamaMetadata, real, whole } from './gguf/gguf-metadata.ts'
import { typedMetadata } from './gguf/window-metadata.ts'
import { checkTypedRopes, ropeOfTypes, ropeTypesWithin, typedRopes } from './keys/typed-ropes.ts'
import { checkWindow, slidingLayers, windowSize } from './keys/window-keys.ts'
import { llamaLike } from './layers/llama-like.ts'
import { olmoKeys, olmoLayer } from './olmo2.ts'

const theta = 500_000

const keys = olmoKeys.extend({
  rope_parameters: ropeOfTypes,
  rope_theta: z.number().positive().default(theta),
  sliding_window: windowSize(4096),
})

type Olmo3Config = z.output<typeof keys>

/** OLMo 3: an OLMo 2 of whose layers three of four see a window, and in which only the others turn by longer waves. */
export const olmo3 = defineFamily({
  modelType: 'olmo3',
  className: 'Olmo3ForCausalLM',
  keys,
  within: ropeTypesWithin,
  check: (config) => [
    ...checkTypedRopes(config, ropesOf(config)),
    ...checkWindow(config, !config.layer_types),
  ],
  describe(config) {
    const { whole, local } = ropesOf(config)
    const slides = slidingOf(config)
    return llamaLike(whole, (layer) => ({
      ...olmoLayer(whole),
      ...(slides[layer] && { window: config.sliding_window, rope: local }),
    }))
  },
  gguf: {
    architecture: 'olmo2',
    tensors: { attention_bias: biasTensors.attention_bias },
    marked: 'attention.sliding_window',
    obeys: ['attention.sliding_window_pattern'],
    metadata: (values, rope) => ({
      ...typedMetadata(values, rope, { pattern: 4, theta: values['rope.freq_base'] ?? 10_000 }),
      sliding_window: values['attention.sliding_window'],
    }),
    write: (config) => ({
      ...llamaMetadata(ropesOf(config).whole),
      ...(config.sliding_window !== null && { 'attention.sliding_window': whole(config.sliding_window) }),
      'attention.sliding_window_pattern': flags(slidingOf(config)),
      'rope.freq_base_swa': real(ropesOf(config).local.theta),
    }),
  },
})

function slidingOf(config: Olmo3Config): boolean[] {
  return slidingLayers(config, (layer) => (layer + 1) % 4 !== 0)
}

/** The class takes `rope_theta` for the layers that see everything only. */
function ropesOf<Config extends Olmo3Config>(config: Config) {
  return typedRopes(config, { full: config.rope_theta, sliding: theta })
}
