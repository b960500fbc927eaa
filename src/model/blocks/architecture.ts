import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import { isProjection, matrix, rowCount, withRows } from '../weights/parameters.ts'
import type { Balance } from './balance.ts'
import type { AttentionShape } from './attention-shape.ts'
import type { CacheShape } from './cache-shape.ts'
import type { Embedding } from './embedding.ts'
import type { LayerPass } from './forward-pass.ts'
import type { LayerInputs } from './layer-inputs.ts'
import type { Norm } from './norm.ts'
import type { Rope } from './rope.ts'

/**
 * What a family makes of a config.json: the model's parameters, and how layers compute with them. Passes, adapters,
 * training, decoding and saving work from it and know no family.
 */
export interface Architecture {
  /** Width of the residual stream. */
  width: number
  /** How many positions it was made for. */
  maxPositions: number
  embedding: Embedding
  /** What layers read besides the stream; most families have none. */
  layerInputs?: LayerInputs
  layers: readonly Layer[]
  norm: Norm
  /** Output head [vocabulary, width]; of a reward model [1, width]. */
  head: Parameter
  /** A reward model: its head makes a score of a token, no logits. */
  isScored?: true
  /** The head's numbers are the embedding's. */
  isTied: boolean
  /** Tensors that files may have, and that the class of transformers leaves unread without a word; by their names in either kind of files. */
  ignored?: ReadonlySet<string>
  /** Logits are cap · tanh(scale · h W / cap), or scale · h W where cap is 0. */
  logits: LogitBounds
  /** Where layers have experts. */
  balance?: Balance | undefined
}

/** What becomes of the head's products. */
export interface LogitBounds {
  scale: number
  cap: number
}

export const plainLogits: LogitBounds = { scale: 1, cap: 0 }

/** Logits divided by a temperature. */
export function atTemperature({ scale, cap }: LogitBounds, temperature: number): LogitBounds {
  return temperature === 1 ? { scale, cap } : { scale: scale / temperature, cap: cap / temperature }
}

/** Blocks one after the other, each of which adds to the residual stream. */
export type Layer = readonly Block[]

/** A part of a layer: what it computes from the stream, what it holds and what it keeps. */
export interface Block {
  /** In the order of the forward pass. */
  parameters: readonly Parameter[]
  /** Where it attends to earlier tokens. */
  attention?: AttentionShape
  /** What it remembers of earlier tokens in generation. */
  cache?: CacheShape
  /** Whether a token's output depends on other tokens. */
  mixesTokens: boolean
  kept: KeptValues
  /** What measurements must know of it beside its matrices and its attention. */
  cost?: BlockCost
  /** Records what it computes; takes the stream [M, width] float32 and gives it on. */
  record(pass: LayerPass, stream: Tensor, within: BlockPass): Tensor
}

/** What a block costs each token. */
export interface BlockCost {
  /** FLOPs of the forward pass beside products with its matrices and attention. */
  flops?: number
  /** The share of a parameter's weights that a token meets, of experts; default all. */
  shareOf?(parameter: Parameter): number
}

/** Values that a block keeps of each token for the backward pass. */
export interface KeptValues {
  /** In the compute type. */
  activations: number
  /** Of those: what can be computed again from its neighbours, cheaply for its size. */
  again: number
  float32: number
}

/** What a block's place in the model means for one pass. */
export interface BlockPass {
  /** Behind this block only these rows of the stream are read. */
  rows: Tensor | undefined
  /** The stream has only these rows of the tokens already. */
  chosen?: Tensor | undefined
  /** Whether `kept.again` is computed again in the backward pass. */
  computesAgain: boolean
}

/** The head's parameter: its own, or the embedding. */
export function headOf({ head, embedding, isTied }: Architecture): Parameter {
  return isTied ? embedding.table : head
}

/** The same architecture with the head of a reward model, as Transformers' classes for sequence classification name it. */
export function withScoreHead(architecture: Architecture): Architecture {
  const module = { safetensors: 'score', gguf: 'score' }
  const head = matrix('matrix', architecture.width, [{ module, rows: 1 }])
  return { ...architecture, head, isTied: false, isScored: true }
}

/** What has a row of each token: the embedding, and the head whether it has numbers of its own or not. */
export function vocabularyTables({ embedding, head, isScored }: Architecture): Parameter[] {
  return isScored ? [embedding.table] : [embedding.table, head]
}

/** All parameters in the order of the forward pass. */
export function parametersOf(architecture: Architecture): Parameter[] {
  const { embedding, layerInputs, layers, norm, head, isTied } = architecture
  return [
    embedding.table,
    ...embedding.others,
    ...(layerInputs?.parameters ?? []),
    ...layers.flatMap(layerParameters),
    ...norm.parameters,
    ...(isTied ? [] : [head]),
  ]
}

/** The projections of an architecture, or of some of its layers: what LoRA can adapt. */
export function linearParameters({
  layerInputs,
  layers,
}: Pick<Architecture, 'layerInputs' | 'layers'>): Parameter[] {
  return projectionsOf({ layerInputs, layers }).filter(({ kind }) => kind === 'linear')
}

/** What quantisation makes smaller: the projections of layers, experts' too. */
export function projectionsOf({
  layerInputs,
  layers,
}: Pick<Architecture, 'layerInputs' | 'layers'>): Parameter[] {
  return [...(layerInputs?.parameters ?? []), ...layers.flatMap(layerParameters)].filter(isProjection)
}

function layerParameters(layer: Layer): Parameter[] {
  return layer.flatMap(({ parameters }) => parameters)
}

/** Rows of the embedding. */
export function vocabularyOf({ embedding }: Architecture): number {
  return rowCount(embedding.table)
}

/** The same architecture for so many tokens. */
export function withVocabulary(architecture: Architecture, rows: number): Architecture {
  const { embedding, layerInputs, head, isScored } = architecture
  return {
    ...architecture,
    embedding: { ...embedding, table: withRows(embedding.table, rows) },
    ...(layerInputs && { layerInputs: layerInputs.withVocabulary(rows) }),
    head: isScored ? head : withRows(head, rows),
  }
}

/** Every rotation that the layers use, once. */
export function ropesOf({ layers }: Architecture): Rope[] {
  const ropes = layers.flat().flatMap(({ attention }) => [attention?.rope, attention?.queryRope])
  return [...new Set(ropes.filter((rope) => rope !== null && rope !== undefined))]
}
