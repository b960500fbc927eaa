/** What a module of a layer is called, behind the layer's own name: in Hugging Face's files and in GGUF files. */
export type LayerName = readonly [safetensors: string, gguf: string]

const norms = {
  attention: ['input_layernorm', 'attn_norm'],
  attended: ['post_attention_layernorm', 'post_attention_norm'],
  mapped: ['post_feedforward_layernorm', 'post_ffw_norm'],
} as const

/** Where a block's norms are: before it, after it, before it is added to the stream, or both. null: there is none. */
const normNames = {
  before: {
    attentionNorm: norms.attention,
    mlpNorm: ['post_attention_layernorm', 'ffn_norm'],
    attendedNorm: null,
    mappedNorm: null,
  },
  after: { attentionNorm: null, mlpNorm: null, attendedNorm: norms.attended, mappedNorm: norms.mapped },
  both: {
    attentionNorm: norms.attention,
    mlpNorm: ['pre_feedforward_layernorm', 'ffn_norm'],
    attendedNorm: norms.attended,
    mappedNorm: norms.mapped,
  },
} as const satisfies Record<string, Record<string, LayerName | null>>

/** A Llama's; `qkv` and `gateUp` where they are one module are Phi-3's. */
const moduleNames = {
  query: ['self_attn.q_proj', 'attn_q'],
  key: ['self_attn.k_proj', 'attn_k'],
  value: ['self_attn.v_proj', 'attn_v'],
  qkv: ['self_attn.qkv_proj', 'attn_qkv'],
  queryNorm: ['self_attn.q_norm', 'attn_q_norm'],
  keyNorm: ['self_attn.k_norm', 'attn_k_norm'],
  output: ['self_attn.o_proj', 'attn_output'],
  gate: ['mlp.gate_proj', 'ffn_gate'],
  up: ['mlp.up_proj', 'ffn_up'],
  gateUp: ['mlp.gate_up_proj', 'ffn_up'],
  down: ['mlp.down_proj', 'ffn_down'],
} as const satisfies Record<string, LayerName>

/** Where the norms of a layer are. */
export type NormPlaces = keyof typeof normNames

/** What the modules of a layer are called. */
export type LayerNames = Record<keyof typeof moduleNames, LayerName> &
  Record<'attentionNorm' | 'mlpNorm' | 'attendedNorm' | 'mappedNorm', LayerName | null>

/** A Llama's names, but for these. */
export function layerNames(places: NormPlaces, others: Partial<LayerNames>): LayerNames {
  return { ...moduleNames, ...normNames[places], ...others }
}
