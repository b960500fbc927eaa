import type { Activation } from '../../../engine/index.ts'
import type { Block, Layer } from '../../blocks/architecture.ts'
import { attention } from '../../blocks/attention.ts'
import { gatedMlp } from '../../blocks/gated-mlp.ts'
import { linear } from '../../blocks/linear.ts'
import { mlp } from '../../blocks/mlp.ts'
import { noNorm, type Norm } from '../../blocks/norm.ts'
import type { Rope } from '../../blocks/rope.ts'
import { gain, zeroVector, type ModuleName } from '../../weights/parameters.ts'
import { interleavedHalves, type Transform } from '../../weights/transforms.ts'
import { activationNames } from '../keys/activation-keys.ts'
import { headsOf, type LlamaConfig } from '../keys/llama-keys.ts'
import { layerNames, type LayerName, type LayerNames, type NormPlaces } from './layer-names.ts'

/** A window beyond every sequence is none; engines count up to there. */
const farthest = 2 ** 30

/** What the relatives' layers have that Llama's do not, or the other way round. */
export interface LlamaLayerOptions {
  /** Which projections have a bias; default none. */
  biases?: { qkv?: boolean; output?: boolean; mlp?: boolean }
  /** Modules that are called otherwise than a Llama's. */
  names?: Partial<LayerNames>
  /** Whether the projections of one input are one module; default each is its own. */
  isFused?: boolean
  /** What happens to every projection's weight between model.safetensors and memory. */
  transform?: Transform
  /** What mixes tokens instead of attention. */
  mixer?: (named: (safetensors: string, gguf: string) => ModuleName, norm: Norm) => Block
  /** Whether each head's query has a gate of its output beside it. */
  hasGates?: boolean
  /** Norms of queries and keys: of each head, or of all heads together. */
  headNorms?: 'each' | 'together'
  /** Where a block's norms are; default before it. */
  norms?: NormPlaces
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
  /** Whether the MLP has gates (default). */
  hasGatedMlp?: boolean
  /** Of the MLP; default that of hidden_act. */
  activation?: Activation
  /** Another block in the place of the gated MLP, behind this norm. */
  feedForward?: ((norm: Norm) => Block) | undefined
  /** Whether GGUF files have the two halves of each query and key head interleaved. */
  ggufInterleaves?: boolean
}

/** What all layers of a model share. */
export interface LayerParts {
  rope: Rope
  /** What happens to the gains of heads between file and memory. */
  gain: Transform | undefined
  norm: (module: ModuleName) => Norm
  /** What the layer's tensors are called under. */
  named: (safetensors: string, gguf: string) => ModuleName
}

/** Attention, or what stands in its place, and an MLP, or what stands in that one's. */
export function llamaLayer(config: LlamaConfig, options: LlamaLayerOptions, made: LayerParts): Layer {
  const names = layerNames(options.norms ?? 'before', options.names ?? {})
  const norm = (name: LayerName | null) => (name ? made.norm(made.named(...name)) : undefined)
  const before = norm(names.attentionNorm) ?? noNorm
  const beforeMlp = norm(names.mlpNorm) ?? noNorm
  return [
    options.mixer
      ? options.mixer(made.named, before)
      : llamaAttention(config, options, made, { names, before, after: norm(names.attendedNorm) }),
    options.feedForward?.(beforeMlp) ??
      llamaMlp(config, options, made, { names, before: beforeMlp, after: norm(names.mappedNorm) }),
  ]
}

/** The norms of a block, and what its modules are called. */
interface BlockParts {
  names: LayerNames
  before: Norm
  after: Norm | undefined
}

function llamaAttention(
  config: LlamaConfig,
  options: LlamaLayerOptions,
  { rope: modelRope, gain: gainTransform, named }: LayerParts,
  { names, before, after }: BlockParts,
): Block {
  const { hidden_size: width, rms_norm_eps: eps } = config
  const { queryHeads, keyHeads, headDim } = headsOf(config)
  const { biases = {}, hasGates = false, headNorms, window, rotates = true, transform } = options
  const { rope = modelRope } = options
  const [queries, keys] = [queryHeads * headDim, keyHeads * headDim]
  const ggufTransform = options.ggufInterleaves ? interleavedHalves(headDim) : undefined
  const headGain = (name: LayerName, all: number) =>
    gain(named(...name), headNorms === 'together' ? all : headDim, gainTransform)
  const project = (name: LayerName, rows: number) => ({ module: named(...name), rows, transform })
  return attention({
    shape: {
      queryHeads,
      keyHeads,
      headDim,
      window: Math.min(window ?? 0, farthest),
      rope: rotates && rope.rotaryDim > 0 ? rope : null,
      queryRope: options.queryRope,
    },
    scale: options.scale ?? headDim ** -0.5,
    cap: options.cap ?? 0,
    norm: before,
    hasGates,
    qkv: linear(
      width,
      options.isFused
        ? [project(names.qkv, queries + 2 * keys)]
        : [
            { ...project(names.query, hasGates ? 2 * queries : queries), ggufTransform },
            { ...project(names.key, keys), ggufTransform },
            project(names.value, keys),
          ],
      biases.qkv ?? false,
    ),
    sinks: options.sinks ? sinksOf(queryHeads, named) : undefined,
    headNorms: headNorms
      ? {
          query: headGain(names.queryNorm, queries),
          key: headGain(names.keyNorm, keys),
          eps,
          together: headNorms === 'together',
        }
      : null,
    output: linear(queries, [project(names.output, width)], biases.output ?? false),
    residual: { norm: after, scale: options.residualScale },
  })
}

function sinksOf(rows: number, named: LayerParts['named']) {
  const { safetensors, gguf } = named('self_attn.sinks', 'attn_sinks.weight')
  return zeroVector([{ rows, safetensors: { name: safetensors }, gguf: { name: gguf } }])
}

function llamaMlp(
  { hidden_size: width, intermediate_size: inner, hidden_act }: LlamaConfig,
  options: LlamaLayerOptions,
  { named }: LayerParts,
  { names, before, after }: BlockParts,
): Block {
  const { biases: { mlp: hasBias = false } = {}, hasGatedMlp = true, isFused, transform } = options
  const project = (inputs: number, rows: number, ...of: LayerName[]) =>
    linear(
      inputs,
      of.map((name) => ({ module: named(...name), rows, transform })),
      hasBias,
    )
  const parts = {
    norm: before,
    activation: options.activation ?? activationNames[hidden_act ?? 'silu'],
    residual: { norm: after, scale: options.residualScale },
    down: project(inner, width, names.down),
  }
  if (!hasGatedMlp) return mlp({ ...parts, up: project(width, inner, names.up) })
  return gatedMlp({
    ...parts,
    gateUp: isFused ? project(width, 2 * inner, names.gateUp) : project(width, inner, names.gate, names.up),
  })
}
