import { documentStarts, splitBatch, type TrainingBatch } from '../../batch/index.ts'
import type { ModelShape, Product } from './model-shape.ts'
import { rowsOf, usedWeights, weightsOfToken } from './model-shape.ts'

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
    pairs: config.layers.map(({ attention }) =>
      attention === null
        ? 0
        : documentStarts(documentIds).reduce(
            (sum, start, i) => sum + Math.min(i - start + 1, attention.window || Infinity),
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
  const { hiddenSize, vocabSize, layers } = config
  const weights = weightsOfToken(config)
  const head = vocabSize * hiddenSize
  const last = layers.at(-1)
  const ofLast = last?.products.reduce((sum, product) => sum + usedWeights(product), 0) ?? 0
  const ofKeys = keyWeights(last?.products[0])
  const work: StepWork = new Map()
  const products = tokens * (weights - ofLast + ofKeys) + (ofLast - ofKeys) + head
  add(work, 'linear', 2 * products, 2 * (weights + head))
  const seen = (position: number, window: number): number => Math.min(position + 1, window || Infinity)
  for (const [layer, { attention, flops }] of layers.entries()) {
    add(work, 'other', tokens * flops, 0)
    if (attention === null) continue
    const { headDim, queryHeads, window } = attention
    let pairs = seen(tokens - 1, window)
    if (layer < layers.length - 1) for (let i = 0; i < tokens - 1; i += 1) pairs += seen(i, window)
    add(work, 'cachedAttention', 4 * pairs * headDim * queryHeads, 0)
  }
  return work
}

/** Weights of keys and values, where they stand beside queries; else all. */
function keyWeights(product: Product | undefined): number {
  if (!product) return 0
  const [queries, ...others] = product.parts
  return others.length === 2 ? usedWeights(product) - queries * product.depth : usedWeights(product)
}

/** All ops together. */
export function totalWork(work: StepWork): Work {
  const parts = [...work.values()]
  return {
    flops: parts.reduce((sum, { flops }) => sum + flops, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function addLinear(work: StepWork, shape: TrainingShape, { tokens }: PassShape): void {
  const { inputs, layers } = shape.config
  for (const product of inputs) addProduct(work, shape, tokens, product, false)
  for (const [layer, { products, flops }] of layers.entries()) {
    add(work, 'other', tokens * flops, 0)
    if (flops > 0) add(work, 'other.vjp', 2 * tokens * flops, 0)
    for (const [i, product] of products.entries())
      // With frozen embeddings nothing below the first projection is trained, so that its dx is not made.
      addProduct(work, shape, tokens, product, layer > 0 || i > 0)
  }
}

/** @param makesInput  whether a frozen weight passes a gradient on */
function addProduct(
  work: StepWork,
  { rank, elementBytes }: TrainingShape,
  tokens: number,
  product: Product,
  makesInput: boolean,
): void {
  const { parts, depth, isAdapted } = product
  const rows = rowsOf(product)
  const passes = makesInput || rank === 0
  const base = 2 * tokens * usedWeights(product)
  // T = X Aᵀ for each part, Y += T Bᵀ.
  const lora = isAdapted ? 2 * tokens * rank * (parts.length * depth + rows) : 0
  const bytes = elementBytes * (rows * depth + tokens * (rows + depth))
  add(work, 'linear', base + lora, bytes)
  const weights = rank === 0 ? base : 2 * lora
  const loraInput = passes || !isAdapted ? 0 : 2 * tokens * rank * parts.length * depth
  add(work, 'linear.vjp', (passes ? base : 0) + weights - loraInput, bytes)
}

function addAttention(
  work: StepWork,
  { config, elementBytes }: TrainingShape,
  { tokens, pairs }: PassShape,
): void {
  for (const [layer, { attention }] of config.layers.entries()) {
    if (attention === null) continue
    const { headDim, queryHeads, keyHeads } = attention
    const bytes = elementBytes * tokens * headDim * (2 * queryHeads + 2 * keyHeads)
    const product = 2 * pairs[layer] * headDim * queryHeads
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
  const { hiddenSize, layers } = config
  const norms = (2 * layers.length + 1) * tokens * hiddenSize
  add(work, 'rmsNorm', 0, norms * (4 + elementBytes))
  // Reads y and dy, adds to the gradient of the stream.
  add(work, 'rmsNorm.vjp', 0, norms * (2 * elementBytes + 8))
  for (const { attention, products } of layers) {
    const { headDim, queryHeads, keyHeads } = attention ?? { headDim: 0, queryHeads: 0, keyHeads: 0 }
    const rotated = tokens * headDim * (queryHeads + keyHeads) * elementBytes
    const down = products.at(-1)
    const gate = down ? tokens * down.depth * down.share * elementBytes : 0
    add(work, 'rope', 0, 2 * rotated)
    add(work, 'rope.vjp', 0, 2 * rotated)
    add(work, 'glu', 0, 3 * gate)
    add(work, 'glu.vjp', 0, 5 * gate)
  }
  add(work, 'embedding', 0, tokens * hiddenSize * (4 + elementBytes))
}

function add(work: StepWork, op: string, flops: number, bytes: number): void {
  if (flops === 0 && bytes === 0) return
  const sum = work.get(op) ?? { flops: 0, bytes: 0 }
  work.set(op, { flops: sum.flops + flops, bytes: sum.bytes + bytes })
}
