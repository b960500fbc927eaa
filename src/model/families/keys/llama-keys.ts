import { z } from 'zod'
import { activationName, type activationNames } from './activation-keys.ts'
import { commonKeys } from './every-model.ts'
import type { RotaryOptions } from './rope-keys.ts'
import { checkRope, ropeKeys } from './rope-keys.ts'
import { count, flag, layerCount, number, optionalCount, unless, type KeyProblem } from './values.ts'

/** The keys that config.json of a Llama and of its many relatives has, with the defaults of the class that writes it. */
export const llamaKeys = (defaults: {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  /** null: as many as heads. */
  keyHeads: number | null
  maxPositions: number
  normEps?: number
  tied?: boolean
  bos: number | null
  eos: number | null
}) =>
  z.object({
    ...commonKeys(defaults.bos, defaults.eos),
    ...ropeKeys,
    vocab_size: count(defaults.vocabSize),
    hidden_size: count(defaults.hiddenSize),
    intermediate_size: count(defaults.intermediateSize),
    num_hidden_layers: layerCount(defaults.layers),
    num_attention_heads: count(defaults.heads),
    num_key_value_heads: optionalCount(defaults.keyHeads),
    /** null: hidden_size / heads. */
    head_dim: optionalCount(null),
    max_position_embeddings: count(defaults.maxPositions),
    rms_norm_eps: number(defaults.normEps ?? 1e-6),
    hidden_act: activationName('silu'),
    tie_word_embeddings: flag(defaults.tied ?? false),
    /** `attention` is what older files call `full_attention`. */
    layer_types: z.array(z.enum(['full_attention', 'sliding_attention', 'attention'])).nullish(),
  })

/** Families that call the activation differently say it themselves. */
export type LlamaConfig = Omit<z.output<ReturnType<typeof llamaKeys>>, 'hidden_act'> & {
  hidden_act?: keyof typeof activationNames
  /** What the tensors are called under; default `model`. */
  root?: string
}

/**
 * What is wrong with heads, rotation and layer types together.
 *
 * @param window  of the layers whose type is `sliding_attention`; null: such a layer cannot be computed
 */
export function checkLlama(
  config: LlamaConfig,
  window: number | null,
  rotary: RotaryOptions = {},
): KeyProblem[] {
  const { num_attention_heads: heads, layer_types: types } = config
  const { keyHeads, headDim } = headsOf(config)
  const isAny = types?.includes('sliding_attention') === true
  const isEven = headDim >= 2 && headDim % 2 === 0
  return [
    ...unless(heads % keyHeads === 0, 'num_key_value_heads', `a divisor of num_attention_heads, ${heads}`),
    ...(config.head_dim
      ? unless(isEven, 'head_dim', 'an even number')
      : unless(isEven, 'hidden_size', `an even multiple of num_attention_heads, ${heads}`)),
    ...checkLayerTypes(config),
    ...unless(!isAny || window !== null, 'layer_types', 'full_attention: there is no sliding_window'),
    ...unless(window !== 0, 'sliding_window', 'a number from 1, or null'),
    ...checkRope(config, headDim, rotary),
  ]
}

/** A list of types has one for each layer. */
export function checkLayerTypes({
  layer_types: types,
  num_hidden_layers: layers,
}: {
  layer_types?: readonly string[] | null | undefined
  num_hidden_layers: number
}): KeyProblem[] {
  return unless(
    !types || types.length === layers,
    'layer_types',
    `a type for each of num_hidden_layers, ${layers}`,
  )
}

/** Of the projections of a Llama, where its file says which have biases. */
export const biasKeys = { attention_bias: flag(false), mlp_bias: flag(false) }

/** Which projections of a layer have a bias. */
export function biasesOf({
  attention_bias: attention,
  mlp_bias,
}: {
  attention_bias: boolean
  mlp_bias?: boolean
}) {
  return { qkv: attention, output: attention, mlp: mlp_bias ?? false }
}

/** How many heads of which length. */
export function headsOf({
  num_attention_heads: heads,
  num_key_value_heads,
  head_dim,
  hidden_size,
}: LlamaConfig) {
  return {
    queryHeads: heads,
    keyHeads: num_key_value_heads ?? heads,
    headDim: head_dim ?? Math.floor(hidden_size / heads),
  }
}
