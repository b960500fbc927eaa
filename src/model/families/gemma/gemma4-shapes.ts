import type { Rope } from '../../blocks/rope.ts'
import { checkGemma4Experts } from './gemma4-experts.ts'
import type { Gemma4Config } from './gemma4-keys.ts'
import type { KeyProblem } from '../keys/values.ts'
import { checkRope, ropeOf } from '../keys/rope-keys.ts'

type LayerType = 'full_attention' | 'sliding_attention'

/** What the keys make of one layer. */
export interface Gemma4Shape {
  type: LayerType
  keyHeads: number
  headDim: number
  rope: Rope
  /** The earlier layer whose keys and values it reads; null: it has its own. */
  source: number | null
}

/** The types of all layers: unless the file says it, five of six see a window. The last one sees everything. */
function typesOf({ layer_types: types, num_hidden_layers: layers }: Gemma4Config): LayerType[] {
  return Array.from({ length: layers }, (_, layer) => {
    if (layer === layers - 1) return 'full_attention'
    return types?.[layer] ?? ((layer + 1) % 6 === 0 ? 'full_attention' : 'sliding_attention')
  })
}

/** How many heads of which length keys and values have in each layer. */
function headsOf(config: Gemma4Config): { keyHeads: number; headDim: number }[] {
  const { per_layer_config: perLayer, attention_k_eq_v: shared } = config
  const numbered = new Map(Object.entries(perLayer ?? {}).map(([layer, own]) => [Number(layer), own]))
  return typesOf(config).map((type, layer) => {
    const full = {
      head_dim: config.global_head_dim,
      num_key_value_heads: shared ? (config.num_global_key_value_heads ?? undefined) : undefined,
    }
    const own = perLayer === undefined ? (type === 'full_attention' ? full : {}) : numbered.get(layer)
    return {
      keyHeads: own?.num_key_value_heads ?? config.num_key_value_heads,
      headDim: own?.head_dim ?? config.head_dim,
    }
  })
}

const defaultRopes = {
  sliding_attention: { rope_type: 'default', rope_theta: 10_000, truncate: true },
  full_attention: {
    rope_type: 'proportional',
    partial_rotary_factor: 0.25,
    rope_theta: 1_000_000,
    truncate: true,
  },
} as const

/** The keys of one rotation as those of a model that has no other. */
function ropeConfig(config: Gemma4Config, type: LayerType) {
  const { max_position_embeddings, rope_theta, partial_rotary_factor } = config
  const parameters = config.rope_parameters ?? defaultRopes
  return { max_position_embeddings, rope_theta, partial_rotary_factor, rope_parameters: parameters[type] }
}

/** The rotation of each type of layers. */
export function ropesOfTypes(config: Gemma4Config): Record<LayerType, Rope> {
  const heads = headsOf(config)
  const types = typesOf(config)
  const rope = (type: LayerType) => {
    const { headDim } = heads[Math.max(0, types.indexOf(type))]
    return ropeOf(ropeConfig(config, type), headDim)
  }
  return { full_attention: rope('full_attention'), sliding_attention: rope('sliding_attention') }
}

/** Every layer in the order of the forward pass. */
export function layerShapes(config: Gemma4Config, ropes: Record<LayerType, Rope>): Gemma4Shape[] {
  const types = typesOf(config)
  const own = config.num_hidden_layers - config.num_kv_shared_layers
  return headsOf(config).map(({ keyHeads, headDim }, layer) => ({
    type: types[layer],
    keyHeads,
    headDim,
    rope: ropes[types[layer]],
    source: layer < own ? null : types.lastIndexOf(types[layer], own - 1),
  }))
}

/** What is wrong with several keys together, as transformers' classes find it when they read or build. */
export function checkGemma4(config: Gemma4Config): KeyProblem[] {
  const { num_hidden_layers: layers, num_attention_heads: heads, layer_types: given } = config
  const types = typesOf(config)
  const problems: KeyProblem[] = []
  const own = layers - config.num_kv_shared_layers
  const key = config.per_layer_config ? 'per_layer_config' : 'num_key_value_heads'
  problems.push(...checkGemma4Experts(config))
  const all = headsOf(config)
  if (given && given.length !== layers)
    problems.push({ key: 'layer_types', expected: `a type for each of num_hidden_layers, ${layers}` })
  if (own < 1 || types.some((type) => !types.slice(0, own).includes(type)))
    problems.push({
      key: 'num_kv_shared_layers',
      expected: 'so few that a layer of each type before them has keys and values of its own',
    })
  if (all.some(({ keyHeads }) => heads % keyHeads !== 0))
    problems.push({ key, expected: `divisors of num_attention_heads, ${heads}` })
  if (all.some(({ headDim }) => headDim % 2 !== 0))
    problems.push({ key: config.per_layer_config ? key : 'head_dim', expected: 'even numbers' })
  if (Object.keys(config.per_layer_config ?? {}).some((layer) => Number(layer) >= layers))
    problems.push({ key: 'per_layer_config', expected: `layers below num_hidden_layers, ${layers}` })
  for (const type of new Set(types)) {
    const [first, ...rest] = all.filter((_, layer) => types[layer] === type)
    if (rest.some(({ keyHeads, headDim }) => keyHeads !== first.keyHeads || headDim !== first.headDim))
      problems.push({ key: 'per_layer_config', expected: `the same heads in every layer of ${type}` })
    const rope = ropeConfig(config, type)
    const { rope_parameters: parameters, rope_theta: theta } = rope
    // The types that are checked by transformers need a number of their own.
    const shared = (parameters?.rope_type ?? 'default') === 'default' ? theta : undefined
    if (!parameters || (parameters.rope_theta ?? shared ?? null) === null)
      problems.push({ key: 'rope_parameters', expected: `${type}, with the rope_theta of these layers` })
    else if (parameters.rope_type === 'proportional' && parameters.partial_rotary_factor === null)
      problems.push({ key: 'rope_parameters', expected: `a number as partial_rotary_factor of ${type}` })
    else problems.push(...checkRope(rope, first.headDim))
  }
  return problems
}
