import type { Layer } from '../../blocks/architecture.ts'
import { attention } from '../../blocks/attention.ts'
import type { CacheShape } from '../../blocks/cache-shape.ts'
import { gatedMlp } from '../../blocks/gated-mlp.ts'
import { mlpAndExperts } from '../../blocks/mlp-and-experts.ts'
import type { LayerInputs } from '../../blocks/layer-inputs.ts'
import { layerInput } from '../../blocks/layer-input.ts'
import { embeddedInputs } from '../../blocks/layer-inputs.ts'
import { linear } from '../../blocks/linear.ts'
import { rmsNorm } from '../../blocks/norm.ts'
import { scaledStream } from '../../blocks/scaled-stream.ts'
import { fixedNumber, gain, matrix } from '../../weights/parameters.ts'
import { activationNames } from '../keys/activation-keys.ts'
import { gemma4Experts } from './gemma4-experts.ts'
import type { Gemma4Shape } from './gemma4-shapes.ts'
import type { Gemma4Config } from './gemma4-keys.ts'

/** Inputs of all layers; undefined: they have none. */
export function gemma4Inputs(config: Gemma4Config): LayerInputs | undefined {
  const { hidden_size: width, hidden_size_per_layer_input: inputs, num_hidden_layers: layers } = config
  if (inputs === 0) return undefined
  const named = (safetensors: string, gguf: string) => ({
    safetensors: `${config.root}.${safetensors}`,
    gguf,
  })
  return embeddedInputs({
    table: matrix('matrix', layers * inputs, [
      {
        module: named('embed_tokens_per_layer', 'per_layer_token_embd'),
        rows: config.vocab_size_per_layer_input,
      },
    ]),
    projection: linear(
      width,
      [{ module: named('per_layer_model_projection', 'per_layer_model_proj'), rows: layers * inputs }],
      false,
    ),
    gain: gain(named('per_layer_projection_norm', 'per_layer_proj_norm'), inputs),
    eps: config.rms_norm_eps,
  })
}

/** The layers, and the tensors of files that transformers leaves unread: what later layers take from earlier ones. */
export function gemma4Layers(
  config: Gemma4Config,
  shapes: readonly Gemma4Shape[],
): { layers: Layer[]; ignored: ReadonlySet<string> } {
  const caches: (CacheShape | undefined)[] = []
  const layers = shapes.map((shape, layer) => {
    const blocks = gemma4Layer(config, shape, layer, caches[shape.source ?? layer])
    caches.push(blocks[0].cache)
    return blocks
  })
  const unused = ['k_proj', 'v_proj', 'k_norm', 'v_norm'].map((name) => `self_attn.${name}`)
  const ignored = shapes.flatMap(({ source }, layer) =>
    source === null
      ? []
      : [
          ...unused.map((name) => `${config.root}.layers.${layer}.${name}`),
          ...['attn_k', 'attn_v', 'attn_k_norm'].map((name) => `blk.${layer}.${name}`),
        ].flatMap((module) => [`${module}.weight`, `${module}.bias`]),
  )
  return { layers, ignored: new Set(ignored) }
}

/** @param keysOf  what the layer remembers whose keys and values it reads */
function gemma4Layer(
  config: Gemma4Config,
  { type, keyHeads, headDim, rope, source }: Gemma4Shape,
  layer: number,
  keysOf: CacheShape | undefined,
): Layer {
  const { hidden_size: width, rms_norm_eps: eps, num_attention_heads: queryHeads } = config
  const { attention_bias: hasBias, hidden_size_per_layer_input: inputs } = config
  const inner = config.intermediate_size * (config.use_double_wide_mlp && source !== null ? 2 : 1)
  const activation = activationNames[config.hidden_activation]
  const named = (safetensors: string, gguf: string) => ({
    safetensors: `${config.root}.layers.${layer}.${safetensors}`,
    gguf: `blk.${layer}.${gguf}`,
  })
  const norm = (safetensors: string, gguf: string) => rmsNorm(gain(named(safetensors, gguf), width), eps)
  const projection = (columns: number, name: string, gguf: string, rows: number, bias = false) =>
    linear(columns, [{ module: named(name, gguf), rows }], bias)
  const [queries, keys] = [queryHeads * headDim, keyHeads * headDim]
  const isSliding = type === 'sliding_attention'
  const q = { module: named('self_attn.q_proj', 'attn_q'), rows: queries }
  const k = { module: named('self_attn.k_proj', 'attn_k'), rows: keys }
  const v = { module: named('self_attn.v_proj', 'attn_v'), rows: keys }
  const gateUp = linear(
    width,
    [
      { module: named('mlp.gate_proj', 'ffn_gate'), rows: inner },
      { module: named('mlp.up_proj', 'ffn_up'), rows: inner },
    ],
    false,
  )
  const down = projection(inner, 'mlp.down_proj', 'ffn_down', width)
  const mlpNorm = norm('pre_feedforward_layernorm', 'ffn_norm')
  const afterMlp = norm('post_feedforward_layernorm', 'post_ffw_norm')
  const valuesAreKeys = config.attention_k_eq_v && !isSliding
  return [
    attention({
      shape: { queryHeads, keyHeads, headDim, window: isSliding ? config.sliding_window : 0, rope },
      scale: 1,
      norm: norm('input_layernorm', 'attn_norm'),
      qkv: linear(width, keysOf ? [q] : valuesAreKeys ? [q, k] : [q, k, v], hasBias),
      headNorms: {
        query: gain(named('self_attn.q_norm', 'attn_q_norm'), headDim),
        key: keysOf ? null : gain(named('self_attn.k_norm', 'attn_k_norm'), headDim),
        eps,
        values: true,
      },
      keysOf,
      output: projection(queries, 'self_attn.o_proj', 'attn_output', width, hasBias),
      residual: { norm: norm('post_attention_layernorm', 'post_attention_norm') },
    }),
    config.enable_moe_block
      ? mlpAndExperts({
          mlp: {
            before: mlpNorm,
            gateUp,
            down,
            after: norm('post_feedforward_layernorm_1', 'post_ffw_norm_1'),
          },
          ...gemma4Experts(config, named, norm),
          activation,
          after: afterMlp,
        })
      : gatedMlp({ norm: mlpNorm, gateUp, down, residual: { norm: afterMlp }, activation }),
    ...(inputs === 0
      ? []
      : [
          layerInput({
            gate: projection(width, 'per_layer_input_gate', 'inp_gate', inputs),
            activation,
            output: projection(inputs, 'per_layer_projection', 'proj', width),
            norm: norm('post_per_layer_input_norm', 'post_norm'),
            layer,
          }),
        ]),
    scaledStream(fixedNumber(named('layer_scalar', 'layer_output_scale'))),
  ]
}
