import { documentStarts, splitBatch, type TrainingBatch } from '../../batch/index.ts'
import type { ModelShape } from './model-shape.ts'

/** What a pass or a step must do at the least. */
export interface Work {
  /** Multiplications and additions of matrix products: those that any implementation needs, nothing recomputed. */
  flops: number
  /** Bytes that go through memory when each operand and result is touched once. */
  bytes: number
}

/** Work by op, named as `model.profile()` names times. */
export type StepWork = Map<string, Work>

/** How a model is trained. */
export interface TrainingShape {
  config: ModelShape
  /** Rank of LoRA on every linear layer; 0: all weights are trained. */
  rank: number
  /** Parameters that the optimiser updates. */
  trainable: number
  /** Bytes of a frozen weight and of an activation. */
  elementBytes: 2 | 4
}

/** The tokens of one pass. */
export interface PassShape {
  tokens: number
  /** Tokens that a loss is computed for. */
  learned: number
  /** (query, key) pairs that causal attention looks at, over all documents, for each layer. */
  pairs: readonly number[]
}

/** The passes that `trainSft` makes of a batch. */
export function passShapes(
  batch: TrainingBatch<unknown>,
  tokensOfAPass: number,
  config: ModelShape,
): PassShape[] {
  return splitBatch(batch, tokensOfAPass).map(({ inputIds, documentIds, learnedTokens }) => ({
    tokens: inputIds.length,
    learned: learnedTokens,
    pairs: config.windows.map((window) =>
      documentStarts(documentIds).reduce(
        (sum, start, i) => sum + Math.min(i - start + 1, window || Infinity),
        0,
      ),
    ),
  }))
}

/**
 * The work of one optimiser step over `passes`. A product [M, K] × [K, N] is 2·M·K·N FLOPs. Backward passes make dx of
 * frozen weights and no dW; attention and head count nothing twice, though kernels may compute scores again.
 */
export function stepWork(shape: TrainingShape, passes: readonly PassShape[]): StepWork {
  const work: StepWork = new Map()
  for (const pass of passes) {
    addLinear(work, shape, pass)
    addAttention(work, shape, pass)
    addHead(work, shape, pass)
    addElementwise(work, shape, pass)
  }
  // Gradients are read for their norm; p, g, m and v are read, and p, m and v written.
  add(work, 'gradNorm', 0, 4 * shape.trainable)
  add(work, 'adamw', 0, 28 * shape.trainable)
  return work
}

/**
 * The work of reading one prompt up to its next token. Of the last layer only keys and values are needed of every token, the
 * rest of its last token alone.
 */
export function promptWork(config: ModelShape, tokens: number): StepWork {
  const { hiddenSize, headDim, headCount, keyHeadCount, layerCount, vocabSize } = config
  const weights = layerWeights(config)
  const keyWeights = 2 * keyHeadCount * headDim * hiddenSize
  const head = vocabSize * hiddenSize
  const work: StepWork = new Map()
  const products = tokens * ((layerCount - 1) * weights + keyWeights) + (weights - keyWeights) + head
  add(work, 'linear', 2 * products, 2 * (layerCount * weights + head))
  const seen = (position: number, window: number): number => Math.min(position + 1, window || Infinity)
  for (const [layer, window] of config.windows.entries()) {
    let pairs = seen(tokens - 1, window)
    if (layer < layerCount - 1) for (let i = 0; i < tokens - 1; i += 1) pairs += seen(i, window)
    add(work, 'cachedAttention', 4 * pairs * headDim * headCount, 0)
  }
  return work
}

/** Weights of the products of one layer. */
export function layerWeights(config: ModelShape): number {
  return layerProducts(config).reduce(
    (sum, { parts, depth }) => sum + parts.reduce((rows, count) => rows + count, 0) * depth,
    0,
  )
}

/** All ops together. */
export function totalWork(work: StepWork): Work {
  const parts = [...work.values()]
  return {
    flops: parts.reduce((sum, { flops }) => sum + flops, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Rows of each projection that is computed as one product, and its depth. */
export function layerProducts(config: ModelShape): { parts: number[]; depth: number }[] {
  const { hiddenSize, intermediateSize, headDim, headCount, keyHeadCount } = config
  const keyRows = keyHeadCount * headDim
  return [
    { parts: [headCount * headDim, keyRows, keyRows], depth: hiddenSize },
    { parts: [hiddenSize], depth: headCount * headDim },
    { parts: [intermediateSize, intermediateSize], depth: hiddenSize },
    { parts: [hiddenSize], depth: intermediateSize },
  ]
}

function addLinear(
  work: StepWork,
  { config, rank, elementBytes }: TrainingShape,
  { tokens }: PassShape,
): void {
  for (let layer = 0; layer < config.layerCount; layer += 1)
    for (const [i, { parts, depth }] of layerProducts(config).entries()) {
      const rows = parts.reduce((sum, count) => sum + count, 0)
      const base = 2 * tokens * rows * depth
      // T = X Aᵀ for each part, Y += T Bᵀ.
      const lora = 2 * tokens * rank * (parts.length * depth + rows)
      const bytes = elementBytes * (rows * depth + tokens * (rows + depth))
      add(work, 'linear', base + lora, bytes)
      // With frozen embeddings nothing below the first projection is trained, so that its dx is not made.
      const makesInput = rank === 0 || layer > 0 || i > 0
      const weights = rank === 0 ? base : 2 * lora
      const loraInput = makesInput ? 0 : 2 * tokens * rank * parts.length * depth
      add(work, 'linear.vjp', (makesInput ? base : 0) + weights - loraInput, bytes)
    }
}

function addAttention(
  work: StepWork,
  { config, elementBytes }: TrainingShape,
  { tokens, pairs }: PassShape,
): void {
  const { headDim, headCount, keyHeadCount } = config
  const bytes = elementBytes * tokens * headDim * (2 * headCount + 2 * keyHeadCount)
  for (const count of pairs) {
    const product = 2 * count * headDim * headCount
    add(work, 'attention', 2 * product, bytes)
    // dV = Pᵀ dO, dP = dO Vᵀ, dQ = dS K, dK = dSᵀ Q.
    add(work, 'attention.vjp', 4 * product, 2 * bytes)
  }
}

function addHead(
  work: StepWork,
  { config, rank, elementBytes }: TrainingShape,
  { learned }: PassShape,
): void {
  const { vocabSize, hiddenSize } = config
  const product = 2 * learned * vocabSize * hiddenSize
  const bytes = elementBytes * (vocabSize + learned) * hiddenSize
  // Logits, and the gradient of the hidden states on the way.
  add(work, 'targetLogProbs', 2 * product, bytes)
  if (rank === 0) add(work, 'targetLogProbs.vjp', product, bytes)
}

/** What has no products is bound by memory: each op reads and writes its rows. */
function addElementwise(
  work: StepWork,
  { config, elementBytes }: TrainingShape,
  { tokens }: PassShape,
): void {
  const { hiddenSize, intermediateSize, headDim, headCount, keyHeadCount, layerCount } = config
  const rotated = tokens * headDim * (headCount + keyHeadCount) * elementBytes
  const norms = (2 * layerCount + 1) * tokens * hiddenSize
  const gate = layerCount * tokens * intermediateSize * elementBytes
  add(work, 'rmsNorm', 0, norms * (4 + elementBytes))
  // Reads y and dy, adds to the gradient of the stream.
  add(work, 'rmsNorm.vjp', 0, norms * (2 * elementBytes + 8))
  add(work, 'rope', 0, 2 * layerCount * rotated)
  add(work, 'rope.vjp', 0, 2 * layerCount * rotated)
  add(work, 'glu', 0, 3 * gate)
  add(work, 'glu.vjp', 0, 5 * gate)
  add(work, 'embedding', 0, tokens * hiddenSize * (4 + elementBytes))
}

function add(work: StepWork, op: string, flops: number, bytes: number): void {
  const sum = work.get(op) ?? { flops: 0, bytes: 0 }
  work.set(op, { flops: sum.flops + flops, bytes: sum.bytes + bytes })
}
