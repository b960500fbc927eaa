import type { Architecture, Layer } from '../blocks/architecture.ts'
import type { Recomputation } from '../blocks/forward-pass.ts'
import type { PassRows } from './pass-inputs.ts'

/** Bytes of a layer's activations for one token, by what computes them again. */
interface LayerBytes {
  all: number
  /** Of those: what `kept.again` of its blocks holds. */
  again: number
  /** The stream that a layer begins with: what is kept where the whole layer is computed again. */
  input: number
}

/** LoRA's products with A are a few per cent and not counted. */
function layerBytes(layer: Layer, width: number, elementBytes: number): LayerBytes {
  const bytes = { all: 0, again: 0, input: 4 * width }
  for (const { kept } of layer) {
    bytes.all += kept.activations * elementBytes + kept.float32 * 4
    bytes.again += kept.again * elementBytes
  }
  return bytes
}

/** What the inputs of all layers hold of each token, whatever is computed again. */
function inputBytes({ layerInputs }: Architecture, elementBytes: number): number {
  return layerInputs ? layerInputs.kept.activations * elementBytes + layerInputs.kept.float32 * 4 : 0
}

function bytesOfLayers({ layers, width }: Architecture, elementBytes: number): LayerBytes[] {
  return layers.map((layer) => layerBytes(layer, width, elementBytes))
}

/** Bytes that all layers keep of one token for the backward pass. */
export function activationBytesPerToken(architecture: Architecture, elementBytes: number): number {
  return bytesOfLayers(architecture, elementBytes).reduce(
    (sum, { all }) => sum + all,
    inputBytes(architecture, elementBytes),
  )
}

/**
 * The tokens of a pass without shared ones that keeps as many bytes for the backward pass: where documents share tokens, attention has
 * the queries, keys, values and what they give of each document, and of each token once more what they give.
 */
export function tokensKept(
  architecture: Architecture,
  elementBytes: number,
  { tokens, copies = tokens }: PassRows,
): number {
  const all = activationBytesPerToken(architecture, elementBytes)
  let [ofCopies, again] = [0, 0]
  for (const { attention } of architecture.layers.flat()) {
    if (!attention) continue
    const { queryHeads, keyHeads, headDim } = attention
    ofCopies += 2 * (queryHeads + keyHeads) * headDim * elementBytes + 4 * queryHeads
    again += queryHeads * headDim * elementBytes
  }
  return Math.ceil((tokens * (all - ofCopies + again) + copies * ofCopies) / all)
}

/** Bytes that the activations of `tokens` take in a pass that may keep `budget` bytes of them. */
export function activationBytesWithin(
  architecture: Architecture,
  elementBytes: number,
  tokens: number,
  budget: number,
): number {
  const { wholeLayers, gatedLayers } = recomputationWithin(architecture, elementBytes, tokens, budget)
  const kept = bytesOfLayers(architecture, elementBytes).map(({ all, again, input }, layer) =>
    layer < wholeLayers ? input : layer < wholeLayers + gatedLayers ? all - again : all,
  )
  return tokens * kept.reduce((sum, bytes) => sum + bytes, inputBytes(architecture, elementBytes))
}

/**
 * The cheapest recomputation with which the activations of `tokens` take no more than `budget` bytes, or if none does,
 * the one that keeps the least. A projection costs 2 · its depth FLOPs for each element that is not kept, which is as
 * little for q, k, v as for gate and up; attention costs with every earlier token, and goes last.
 */
export function recomputationWithin(
  architecture: Architecture,
  elementBytes: number,
  tokens: number,
  budget: number,
): Recomputation {
  const layers = bytesOfLayers(architecture, elementBytes)
  let excess =
    layers.reduce((sum, { all }) => sum + all, inputBytes(architecture, elementBytes)) - budget / tokens
  let gatedLayers = 0
  for (; excess > 0 && gatedLayers < layers.length; gatedLayers += 1) excess -= layers[gatedLayers].again
  let wholeLayers = 0
  for (; excess > 0 && wholeLayers < layers.length; wholeLayers += 1) {
    const { all, again, input } = layers[wholeLayers]
    excess -= all - again - input
  }
  return { wholeLayers, gatedLayers: gatedLayers - wholeLayers }
}
