import type { Tape } from '../../engine/tape.ts'
import type { DType, Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { CacheShape } from './cache-shape.ts'
import type { Rope } from './rope.ts'

/** A forward pass that is being recorded: over which tensors, tokens and how. */
export interface ForwardPass {
  tape: Tape
  tensors: PassTensors
  tokens: TokenInputs
  options: PassOptions
  /** Takes what the routers decide, layer by layer, where somebody asks for it. */
  routings?: Routing[]
  /** Adds zero to the stream, and so gets the gradient of single rows of the embedding; see token-rows.ts. */
  rowGradient?: { indicator: Tensor; weight: Tensor } | undefined
}

/** A forward pass inside of the layers. */
export interface LayerPass extends ForwardPass {
  /** What the architecture's `layerInputs` made of all tokens; null: it has none. */
  layerInputs: Tensor | null
  /** Queries, keys and values [M, …] of blocks that have attended already, by what they remember them as. */
  keyValues: Map<CacheShape, Tensor>
}

/** The tensors behind a model's parameters as a pass reads them: with its adapter or without. */
export interface PassTensors {
  tensor(parameter: Parameter): Tensor
  linear(weight: Parameter): LinearTensors
  experts(weight: Parameter): ExpertTensors
  /** LoRA on the embedding, A [V, r] and B [H, r], and on the head, A [r, H] and B [V, r]. */
  embeddingLora: TableLora | null
  headLora: TableLora | null
  /** Whether a norm's gain has no zero and is not trained: then the vjp can do without the norm's input. */
  isInvertible(gain: Parameter): boolean
  /** Rotation tables [positions, rotaryDim / 2]. */
  rotation(rope: Rope): { cos: Tensor; sin: Tensor }
}

/** LoRA on a table. */
export interface TableLora {
  a: Tensor
  b: Tensor
  scaling: number
  dropout: number
}

/** A (stacked) projection and what an adapter adds to it. */
export interface LinearTensors {
  /** [N, K] */
  weight: Tensor
  /** A [ΣR, K] and B [N, maxRank]. */
  lora: { a: Tensor; b: Tensor; dropout: number; totalRank: number } | null
  /** With DoRA what the outputs are multiplied by: magnitude · inverseNorms [N]. */
  dora: { magnitude: Tensor; inverseNorms: Tensor } | null
  /** Output rows, LoRA rank and LoRA scaling of each stacked projection, one after the other. */
  segments: readonly number[]
  /** Which of the model's projections it is: the seed of its dropout. */
  place: number
  isInt8: boolean
}

/** The stacked matrices of E experts [E · width, K], and what an adapter adds to each. */
export interface ExpertTensors {
  weight: Tensor
  /** A [E · rank, K] and B [E · width, rank]. */
  lora: { a: Tensor; b: Tensor; rank: number; scaling: number } | null
}

/** What the router of a layer decided, in a pass. */
export interface Routing {
  /** [M, E] float32, before the softmax. */
  logits: Tensor
  /** [E] where the rows of each expert end. */
  ends: Tensor
}

/** What every token brings along; M tokens. */
export interface TokenInputs {
  /** int32 [M] */
  ids: Tensor
  /** int32 [M] */
  positions: Tensor
  /** How blocks find the earlier tokens: in the same batch, or in a cache. */
  context:
    | { starts: Tensor; copies?: CopiedTokens | undefined }
    | { slots: Tensor; caches: ReadonlyMap<CacheShape, readonly Tensor[]> }
  /** Those of the tokens that something is read of; without it all. */
  rows?: Tensor
}

/** Where several documents have tokens that are computed once: how they are laid out for attention, each document whole. */
export interface CopiedTokens {
  /** int32 [copies] the token that each of them is. */
  of: Tensor
  /** int32 [M] a copy of each token. */
  places: Tensor
}

/** How one forward pass is computed. */
export interface PassOptions {
  activation: DType
  /** int32 [1]; null: no dropout. */
  dropoutSeed: Tensor | null
  /** Noise on the embedding's output, float32 [1] and int32 [1]; without it none. */
  noise?: { magnitude: Tensor; seed: Tensor } | null
  /** Rounds what meets an int8 weight to 8 bits, too. */
  int8Activations: boolean
  recomputation: Recomputation
}

/**
 * What of the forward pass is computed again in the backward pass instead of being kept; both count layers from the
 * lowest up, which the backward pass reaches last, when the others' activations are gone.
 */
export interface Recomputation {
  /** Layers that keep only their input. */
  wholeLayers: number
  /** Layers above those that compute their widest activations (gate and up) again: the most bytes for the fewest FLOPs. */
  gatedLayers: number
}

export const keepEverything: Recomputation = { wholeLayers: 0, gatedLayers: 0 }

/** An output that the op was recorded with. */
export function present(tensor: Tensor | null): Tensor {
  if (!tensor) throw new Error('an op was recorded without the output that is read')
  return tensor
}
