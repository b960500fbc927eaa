import type { Activation } from '../../engine/index.ts'
import {
  plainLogits,
  type Architecture,
  type Block,
  type Layer,
  type LogitBounds,
} from '../blocks/architecture.ts'
import { attention } from '../blocks/attention.ts'
import type { Balance } from '../blocks/balance.ts'
import { tokenEmbedding, type EmbeddingScale } from '../blocks/embedding.ts'
import { gatedMlp } from '../blocks/gated-mlp.ts'
import { linear } from '../blocks/linear.ts'
import { mlp } from '../blocks/mlp.ts'
import type { Norm } from '../blocks/norm.ts'
import { noNorm, rmsNorm } from '../blocks/norm.ts'
import type { Rope } from '../blocks/rope.ts'
import type { ModuleName } from '../weights/parameters.ts'
import { gain, matrix, zeroVector } from '../weights/parameters.ts'
import { interleavedHalves, type Transform } from '../weights/transforms.ts'
import { activationNames } from './activation-keys.ts'
import { headsOf, type LlamaConfig } from './llama-keys.ts'
import { ropeOf } from './rope-keys.ts'

/** A window beyond every sequence is none; engines count up to there. */
const farthest = 2 ** 30

/** What the relatives' layers have that Llama's do not, or the other way round. */
export interface LlamaLayerOptions {
  /** Which projections have a bias; default none. */
  biases?: { qkv?: boolean; output?: boolean; mlp?: boolean }
  /** Projections of one input that are one module: their names instead of those of three and of two. */
  fused?: { qkv: readonly [safetensors: string, gguf: string]; gateUp: readonly [string, string] }
  /** What mixes tokens instead of attention. */
  mixer?: (named: (safetensors: string, gguf: string) => ModuleName, norm: Norm) => Block
  /** Whether each head's query has a gate of its output beside it. */
  hasGates?: boolean
  /** Norms of queries and keys: of each head, or of all heads together. */
  headNorms?: 'each' | 'together'
  /** Where a block's norms are: before it (default), after it, before it is added to the stream, or both. */
  norms?: 'before' | 'after' | 'both'
  /** How many tokens back it sees; default 0: all. */
  window?: number | null
  /** Whether queries and keys are rotated by their positions (default). */
  rotates?: boolean
  /** Another rotation than the model's. */
  rope?: Rope
  /** Another one of the queries alone. */
  queryRope?: Rope | undefined
  /** Of the scores q · k; default 1 / √headDim. */
  scale?: number
  /** Bound of the scores; default none. */
  cap?: number | null
  /** Whether each head has a score more, which has no value; default not. */
  sinks?: boolean
  /** Of what each block adds to the stream; default 1. */
  residualScale?: number
  /** Names of the projections of an MLP without a gate. */
  ungated?: { up: readonly [safetensors: string, gguf: string]; down: readonly [string, string] }
  /** Of the MLP; default that of hidden_act. */
  activation?: Activation
  /** Another block in the place of the gated MLP, behind this norm. */
  feedForward?: ((norm: Norm) => Block) | undefined
  /** What the norm before the MLP is called in GGUF files; default ffn_norm. */
  ggufMlpNorm?: string
  /** Whether GGUF files have the two halves of each query and key head interleaved. */
  ggufInterleaves?: boolean
}

/** What the relatives have outside of their layers that Llama does not. */
export interface LlamaModelOptions {
  /** Of what the layers begin with; default 1. */
  embeddingScale?: EmbeddingScale
  /** Default plain. */
  logits?: LogitBounds
  /** Where layers have experts. */
  balance?: Balance
  /** What happens to every norm's gain between file and memory. */
  gain?: Transform
  /** Other norms of the stream than by the root mean square. */
  norm?: (module: ModuleName) => Norm
  /** Whether `partial_rotary_factor` is the share of each head that turns. */
  isPartial?: boolean
}

/** Root mean square norms, rotated grouped heads and a gated MLP. */
export function llamaLike(
  config: LlamaConfig,
  optionsOf: (layer: number) => LlamaLayerOptions,
  model: LlamaModelOptions = {},
): Architecture {
  const { vocab_size: vocabSize, hidden_size: width, rms_norm_eps: eps, root = 'model' } = config
  const { embeddingScale, logits = plainLogits, gain: transform, isPartial, balance } = model
  const rope = ropeOf(config, headsOf(config).headDim, { isPartial })
  const norm = model.norm ?? ((module: ModuleName) => rmsNorm(gain(module, width, transform), eps))
  const table = (module: ModuleName) => matrix('matrix', width, [{ module, rows: vocabSize }])
  return {
    width,
    maxPositions: config.max_position_embeddings,
    embedding: tokenEmbedding(
      table({ safetensors: `${root}.embed_tokens`, gguf: 'token_embd' }),
      embeddingScale,
    ),
    layers: Array.from({ length: config.num_hidden_layers }, (_, layer) =>
      llamaLayer(config, layer, { rope, ...optionsOf(layer) }, { gain: transform, norm }),
    ),
    norm: norm({ safetensors: `${root}.norm`, gguf: 'output_norm' }),
    head: table({ safetensors: 'lm_head', gguf: 'output' }),
    isTied: config.tie_word_embeddings,
    logits,
    balance,
  }
}

/** What the norms of a layer are called; null: there is none. */
const normNames = {
  before: {
    attention: ['input_layernorm', 'attn_norm'],
    mlp: ['post_attention_layernorm', 'ffn_norm'],
    attended: null,
    mapped: null,
  },
  after: {
    attention: null,
    mlp: null,
    attended: ['post_attention_layernorm', 'post_attention_norm'],
    mapped: ['post_feedforward_layernorm', 'post_ffw_norm'],
  },
  both: {
    attention: ['input_layernorm', 'attn_norm'],
    mlp: ['pre_feedforward_layernorm', 'ffn_norm'],
    attended: ['post_attention_layernorm', 'post_attention_norm'],
    mapped: ['post_feedforward_layernorm', 'post_ffw_norm'],
  },
} as const

function llamaLayer(
  config: LlamaConfig,
  layer: number,
  options: LlamaLayerOptions & { rope: Rope },
  made: { gain: Transform | undefined; norm: (module: ModuleName) => Norm },
): Layer {
  const { hidden_size: width, rms_norm_eps: eps, root = 'model' } = config
  const { queryHeads, keyHeads, headDim } = headsOf(config)
  const { biases = {}, fused, hasGates, headNorms, window, rotates = true, residualScale: scale } = options
  const named = (safetensors: string, gguf: string): ModuleName => ({
    safetensors: `${root}.layers.${layer}.${safetensors}`,
    gguf: `blk.${layer}.${gguf}`,
  })
  const names = normNames[options.norms ?? 'before']
  const norm = (name: readonly [string, string] | null) => (name ? made.norm(named(...name)) : undefined)
  const [queries, keys] = [queryHeads * headDim, keyHeads * headDim]
  const ggufTransform = options.ggufInterleaves ? interleavedHalves(headDim) : undefined
  const headGain = (name: string, gguf: string, all: number) =>
    gain(named(name, gguf), headNorms === 'together' ? all : headDim, made.gain)
  const before = norm(names.attention) ?? noNorm
  const [mlpNorm, ggufMlpNorm] = names.mlp ?? []
  const beforeMlp =
    norm(mlpNorm && ggufMlpNorm ? [mlpNorm, options.ggufMlpNorm ?? ggufMlpNorm] : null) ?? noNorm
  const attends = () =>
    attention({
      shape: {
        queryHeads,
        keyHeads,
        headDim,
        window: Math.min(window ?? 0, farthest),
        rope: rotates && options.rope.rotaryDim > 0 ? options.rope : null,
        queryRope: options.queryRope,
      },
      scale: options.scale ?? headDim ** -0.5,
      cap: options.cap ?? 0,
      norm: before,
      hasGates: hasGates ?? false,
      qkv: linear(
        width,
        fused
          ? [{ module: named(...fused.qkv), rows: queries + 2 * keys }]
          : [
              {
                module: named('self_attn.q_proj', 'attn_q'),
                rows: hasGates ? 2 * queries : queries,
                ggufTransform,
              },
              { module: named('self_attn.k_proj', 'attn_k'), rows: keys, ggufTransform },
              { module: named('self_attn.v_proj', 'attn_v'), rows: keys },
            ],
        biases.qkv ?? false,
      ),
      sinks: options.sinks
        ? zeroVector([
            {
              rows: queryHeads,
              safetensors: { name: named('self_attn.sinks', '').safetensors },
              gguf: { name: named('', 'attn_sinks.weight').gguf },
            },
          ])
        : undefined,
      headNorms: headNorms
        ? {
            query: headGain('self_attn.q_norm', 'attn_q_norm', queries),
            key: headGain('self_attn.k_norm', 'attn_k_norm', keys),
            eps,
            together: headNorms === 'together',
          }
        : null,
      output: linear(
        queries,
        [{ module: named('self_attn.o_proj', 'attn_output'), rows: width }],
        biases.output ?? false,
      ),
      residual: { norm: norm(names.attended), scale },
    })
  return [
    options.mixer ? options.mixer(named, before) : attends(),
    options.feedForward?.(beforeMlp) ??
      llamaMlp(config, options, named, { before: beforeMlp, after: norm(names.mapped) }),
  ]
}

function llamaMlp(
  { hidden_size: width, intermediate_size: inner, hidden_act }: LlamaConfig,
  {
    biases: { mlp: hasBias = false } = {},
    fused,
    ungated,
    residualScale: scale,
    activation,
  }: LlamaLayerOptions,
  named: (safetensors: string, gguf: string) => ModuleName,
  norms: { before: Norm; after: Norm | undefined },
): Block {
  const project = (inputs: number, rows: number, ...names: (readonly [string, string])[]) =>
    linear(
      inputs,
      names.map((name) => ({ module: named(...name), rows })),
      hasBias,
    )
  const parts = {
    norm: norms.before,
    activation: activation ?? activationNames[hidden_act ?? 'silu'],
    residual: { norm: norms.after, scale },
  }
  if (ungated)
    return mlp({
      ...parts,
      up: project(width, inner, ungated.up),
      down: project(inner, width, ungated.down),
    })
  return gatedMlp({
    ...parts,
    gateUp: fused
      ? project(width, 2 * inner, fused.gateUp)
      : project(width, inner, ['mlp.gate_proj', 'ffn_gate'], ['mlp.up_proj', 'ffn_up']),
    down: project(inner, width, ['mlp.down_proj', 'ffn_down']),
  })
}
