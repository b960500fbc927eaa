import type { ModelConfig } from '../families/config.ts'

/**
 * What of the forward pass is computed again in the backward pass instead of being kept; both count layers from the
 * lowest up, which the backward pass reaches last, when the others' activations are gone.
 */
export interface Recomputation {
  /** Layers that keep only their input. */
  wholeLayers: number
  /** Layers above those that compute gate and up again: the most bytes for the fewest FLOPs. */
  gatedLayers: number
}

export const keepEverything: Recomputation = { wholeLayers: 0, gatedLayers: 0 }

/** Bytes of a layer's activations for one token, by what computes them again. */
function layerBytes(config: ModelConfig, elementBytes: number) {
  const { hiddenSize, intermediateSize, headDim, headCount, keyHeadCount, qkNorm } = config
  const qkv = (headCount + 2 * keyHeadCount) * headDim * elementBytes * (qkNorm ? 2 : 1)
  const gated = 2 * intermediateSize * elementBytes
  // Two norms, attention with its logarithms; LoRA's products with A are a few per cent and not counted.
  const rest = (2 * hiddenSize + headCount * headDim) * elementBytes + qkv + 4 * headCount
  return { gated, all: gated + rest, input: 4 * hiddenSize }
}

/** Bytes that all layers keep of one token for the backward pass. */
export function activationBytesPerToken(config: ModelConfig, elementBytes: number): number {
  return config.layerCount * layerBytes(config, elementBytes).all
}

/** Bytes that the activations of `tokens` take in a pass that may keep `budget` bytes of them. */
export function activationBytesWithin(
  config: ModelConfig,
  elementBytes: number,
  tokens: number,
  budget: number,
): number {
  const { gated, all, input } = layerBytes(config, elementBytes)
  const { wholeLayers, gatedLayers } = recomputationWithin(config, elementBytes, tokens, budget)
  const kept = config.layerCount * all - gatedLayers * gated - wholeLayers * (all - input)
  return tokens * kept
}

/**
 * The cheapest recomputation with which the activations of `tokens` take no more than `budget` bytes, or if none does,
 * the one that keeps the least. A projection costs 2 · its depth FLOPs for each element that is not kept, which is as
 * little for q, k, v as for gate and up; attention costs with every earlier token, and goes last.
 */
export function recomputationWithin(
  config: ModelConfig,
  elementBytes: number,
  tokens: number,
  budget: number,
): Recomputation {
  const { layerCount } = config
  const { gated, all, input } = layerBytes(config, elementBytes)
  const excess = layerCount * all - budget / tokens
  if (excess <= 0) return keepEverything
  const gatedLayers = Math.ceil(excess / gated)
  if (gatedLayers <= layerCount) return { wholeLayers: 0, gatedLayers }
  const wholeLayers = Math.min(layerCount, Math.ceil((excess - layerCount * gated) / (all - gated - input)))
  return { wholeLayers, gatedLayers: layerCount - wholeLayers }
}
