import { z } from 'zod'
import { defineFamily } from './family.ts'
import { flags, llamaMetadata, real, whole } from './gguf-metadata.ts'
import { checkLlama, headsOf } from './llama-keys.ts'
import { llamaLike } from './llama-like.ts'
import { olmoKeys, olmoLayer } from './olmo2.ts'
import { checkRope, ropeOf } from './rope-keys.ts'
import { checkOlderRope, ropeOfTypes, ropesOfTypes, ropeTypesWithin } from './typed-ropes.ts'
import { isSliding, typedMetadata, windowSize } from './window-keys.ts'

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
    ...checkLlama(wholeConfig(config), config.sliding_window),
    ...checkRope(ropesOf(config).sliding, headsOf(wholeConfig(config)).headDim),
    ...checkOlderRope(config),
    ...(config.sliding_window === null && !config.layer_types
      ? [{ key: 'sliding_window', expected: 'a number: there are layers that see a window' }]
      : []),
  ],
  describe(config) {
    const whole = wholeConfig(config)
    const local = ropeOf(ropesOf(config).sliding, headsOf(whole).headDim)
    return llamaLike(whole, (layer) => ({
      ...olmoLayer(whole),
      ...(slides(config, layer) && { window: config.sliding_window, rope: local }),
    }))
  },
  gguf: {
    architecture: 'olmo2',
    tensors: { attention_bias: 'blk.0.attn_q.bias' },
    marked: 'attention.sliding_window',
    obeys: ['attention.sliding_window_pattern'],
    metadata: (values, rope) => ({
      ...typedMetadata(values, rope, { pattern: 4, theta: values['rope.freq_base'] ?? 10_000 }),
      sliding_window: values['attention.sliding_window'],
    }),
    write: (config) => ({
      ...llamaMetadata(wholeConfig(config)),
      ...(config.sliding_window !== null && { 'attention.sliding_window': whole(config.sliding_window) }),
      'attention.sliding_window_pattern': flags(
        Array.from({ length: config.num_hidden_layers }, (_, layer) => slides(config, layer)),
      ),
      'rope.freq_base_swa': real(ropeOf(ropesOf(config).sliding, headsOf(wholeConfig(config)).headDim).theta),
    }),
  },
})

function slides({ layer_types: types }: Olmo3Config, layer: number): boolean {
  return types ? isSliding(types[layer]) : (layer + 1) % 4 !== 0
}

/** The class takes `rope_theta` for the layers that see everything only. */
function ropesOf(config: Olmo3Config) {
  return ropesOfTypes(config, { full: config.rope_theta, sliding: theta })
}

/** With the rotation of the layers that see everything as the only one. */
function wholeConfig<Config extends Olmo3Config>(config: Config) {
  return { ...config, ...ropesOf(config).full }
}
