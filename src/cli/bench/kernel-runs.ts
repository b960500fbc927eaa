import type { Command } from '../../engine/ops.ts'
import type { KernelShape } from './model-shape.ts'
import { rowsOf } from './model-shape.ts'
import { forward, vjp, Workshop } from './workshop.ts'

/** A kernel to measure: commands that all do the same amount of work on the same or on different weights. */
export interface KernelRun {
  kernel: string
  /** `warm`: the same weights again and again; `cold`: weights that were not used for longer than any cache remembers. */
  weights?: 'warm' | 'cold'
  tokens: number
  limit: 'arithmetic' | 'reading'
  commands: Command[]
  /** Operations or bytes of one command. */
  amount: number
}

/** As many tokens as a pass of training has, and the rank of the other cases. */
const passTokens = 1024
const rank = 16

/** All kernels of a step and of a decoded token; each is built only when its turn comes, so that memory stays small. */
export function kernelRuns(config: KernelShape): ((workshop: Workshop) => KernelRun)[] {
  const products = config.products.map(({ parts, depth }) => ({ parts, depth, rows: rowsOf({ parts }) }))
  const temperatures = ['warm', 'cold'] as const
  return [
    ...products.flatMap((product) =>
      temperatures.flatMap((temperature) => [
        (workshop: Workshop) => frozenProduct(workshop, product, passTokens, temperature),
        (workshop: Workshop) => frozenProductBackward(workshop, product, temperature),
      ]),
    ),
    ...products.flatMap((product) => [
      (workshop: Workshop) => loraProduct(workshop, product),
      (workshop: Workshop) => loraProductBackward(workshop, product),
    ]),
    (workshop) => targetLogProbs(workshop, config),
    ...[158, 512, 4096].flatMap((document) => [
      (workshop: Workshop) => attention(workshop, config, document),
      (workshop: Workshop) => attentionBackward(workshop, config, document),
    ]),
    (workshop) => glu(workshop, config),
    (workshop) => gluBackward(workshop, config),
    (workshop) => rmsNorm(workshop, config),
    ...[1, 16].flatMap((tokens) =>
      products.map((product) => (workshop: Workshop) => frozenProduct(workshop, product, tokens, 'cold')),
    ),
    ...[1, 16].map((tokens) => (workshop: Workshop) => head(workshop, config, tokens)),
  ]
}

interface Product {
  parts: readonly number[]
  rows: number
  depth: number
}

const plain = (rows: number, float32Output: 0 | 1 = 0) =>
  ({ float32Output, dropout: 0, seed: 0, int8Activations: 0, segments: [rows, 0, 0] }) as const
const adapted = ({ parts }: Product) =>
  ({
    float32Output: 0,
    dropout: 0,
    seed: 0,
    int8Activations: 0,
    segments: parts.flatMap((count) => [count, rank, 2]),
  }) as const
const named = (kernel: string, { rows, depth }: Pick<Product, 'rows' | 'depth'>) =>
  `${kernel} ${depth} → ${rows}`

/** Many tokens are limited by arithmetic, few by reading the weights. */
function frozenProduct(
  workshop: Workshop,
  product: Product,
  tokens: number,
  weights: 'warm' | 'cold',
): KernelRun {
  const { rows, depth } = product
  const x = workshop.tensor([tokens, depth])
  const y = workshop.tensor([tokens, rows])
  const isDecoding = tokens < 64
  return {
    kernel: named(isDecoding ? 'decode' : 'product', product),
    weights,
    tokens,
    limit: isDecoding ? 'reading' : 'arithmetic',
    amount: isDecoding ? 2 * rows * depth : 2 * tokens * rows * depth,
    commands: workshop
      .weights(rows, depth, weights)
      .map((weight) => forward('linear', { x, weight }, plain(rows), { y })),
  }
}

/** dx = dy W */
function frozenProductBackward(workshop: Workshop, product: Product, weights: 'warm' | 'cold'): KernelRun {
  const { rows, depth } = product
  const dy = workshop.tensor([passTokens, rows])
  const dx = workshop.tensor([passTokens, depth])
  return {
    kernel: named('product.vjp', product),
    weights,
    tokens: passTokens,
    limit: 'arithmetic',
    amount: 2 * passTokens * rows * depth,
    commands: workshop
      .weights(rows, depth, weights)
      .map((weight) => vjp('linear', { weight }, plain(rows), {}, { y: dy }, { x: dx })),
  }
}

const loraFlops = ({ parts, rows, depth }: Product) => 2 * passTokens * rank * (parts.length * depth + rows)

function loraProduct(workshop: Workshop, product: Product): KernelRun {
  const { parts, rows, depth } = product
  const x = workshop.tensor([passTokens, depth])
  const y = workshop.tensor([passTokens, rows])
  const t = workshop.tensor([passTokens, parts.length * rank])
  const loraA = workshop.tensor([parts.length * rank, depth], 'float32')
  const loraB = workshop.tensor([rows, rank], 'float32')
  return {
    kernel: named('linear, LoRA', product),
    weights: 'cold',
    tokens: passTokens,
    limit: 'arithmetic',
    amount: 2 * passTokens * rows * depth + loraFlops(product),
    commands: workshop
      .weights(rows, depth, 'cold')
      .map((weight) => forward('linear', { x, weight, loraA, loraB }, adapted(product), { y, t })),
  }
}

function loraProductBackward(workshop: Workshop, product: Product): KernelRun {
  const { parts, rows, depth } = product
  const x = workshop.tensor([passTokens, depth])
  const dx = workshop.tensor([passTokens, depth])
  const dy = workshop.tensor([passTokens, rows])
  const t = workshop.tensor([passTokens, parts.length * rank])
  const loraA = workshop.tensor([parts.length * rank, depth], 'float32')
  const loraB = workshop.tensor([rows, rank], 'float32')
  const gradients = {
    x: dx,
    loraA: workshop.tensor(loraA.shape, 'float32'),
    loraB: workshop.tensor(loraB.shape, 'float32'),
  }
  return {
    kernel: named('linear.vjp, LoRA', product),
    weights: 'cold',
    tokens: passTokens,
    limit: 'arithmetic',
    amount: 2 * passTokens * rows * depth + 2 * loraFlops(product),
    commands: workshop
      .weights(rows, depth, 'cold')
      .map((weight) =>
        vjp('linear', { x, weight, loraA, loraB }, adapted(product), { t }, { y: dy }, gradients),
      ),
  }
}

/** Logits, log-probabilities and the gradient of the hidden states. */
function targetLogProbs(workshop: Workshop, { vocabSize, hiddenSize }: KernelShape): KernelRun {
  const inputs = {
    hidden: workshop.tensor([passTokens, hiddenSize]),
    targets: workshop.tensor([passTokens], 'int32'),
    weights: workshop.given([passTokens], 'float32', new Float32Array(passTokens).fill(1)),
  }
  const outputs = {
    logProbs: workshop.tensor([passTokens], 'float32'),
    lse: workshop.tensor([passTokens], 'float32'),
    dHidden: workshop.tensor([passTokens, hiddenSize]),
  }
  return {
    kernel: named('targetLogProbs', { rows: vocabSize, depth: hiddenSize }),
    weights: 'cold',
    tokens: passTokens,
    limit: 'arithmetic',
    amount: 4 * passTokens * vocabSize * hiddenSize,
    commands: workshop
      .weights(vocabSize, hiddenSize, 'cold')
      .map((weight) => forward('targetLogProbs', { ...inputs, weight }, { scale: 1, cap: 0 }, outputs)),
  }
}

/** The head of decoded tokens. */
function head(workshop: Workshop, { vocabSize, hiddenSize }: KernelShape, tokens: number): KernelRun {
  const x = workshop.tensor([tokens, hiddenSize])
  const y = workshop.tensor([tokens, vocabSize], 'float32')
  return {
    kernel: named('decode, head', { rows: vocabSize, depth: hiddenSize }),
    weights: 'cold',
    tokens,
    limit: 'reading',
    amount: 2 * vocabSize * hiddenSize,
    commands: workshop
      .weights(vocabSize, hiddenSize, 'cold')
      .map((weight) => forward('linear', { x, weight }, plain(vocabSize, 1), { y })),
  }
}

/** Documents of the same length, end to end, about as many tokens as a pass has. */
function attentionTensors(workshop: Workshop, config: KernelShape, document: number) {
  const { headDim, headCount: queryHeads, keyHeadCount: keyHeads } = config
  const tokens = Math.max(1, Math.round(passTokens / document)) * document
  const starts = Int32Array.from({ length: tokens }, (_, i) => i - (i % document))
  const qkvShape = [tokens, (queryHeads + 2 * keyHeads) * headDim]
  return {
    tokens,
    attributes: { headDim, queryHeads, keyHeads, scale: headDim ** -0.5, cap: 0, window: 0 },
    inputs: { qkv: workshop.tensor(qkvShape), starts: workshop.given([tokens], 'int32', starts) },
    outputs: {
      o: workshop.tensor([tokens, queryHeads * headDim]),
      lse: workshop.tensor([tokens, queryHeads], 'float32'),
    },
    /** Operations of one product over all (query, key) pairs. */
    product: (tokens / document) * document * (document + 1) * headDim * queryHeads,
  }
}

function attention(workshop: Workshop, config: KernelShape, document: number): KernelRun {
  const { tokens, attributes, inputs, outputs, product } = attentionTensors(workshop, config, document)
  return {
    kernel: `attention, documents of ${document}`,
    tokens,
    limit: 'arithmetic',
    amount: 2 * product,
    commands: Array.from({ length: 4 }, () => forward('attention', inputs, attributes, outputs)),
  }
}

function attentionBackward(workshop: Workshop, config: KernelShape, document: number): KernelRun {
  const { tokens, attributes, inputs, outputs, product } = attentionTensors(workshop, config, document)
  const given = { o: workshop.tensor(outputs.o.shape) }
  const gradients = { qkv: workshop.tensor(inputs.qkv.shape) }
  return {
    kernel: `attention.vjp, documents of ${document}`,
    tokens,
    limit: 'arithmetic',
    amount: 4 * product,
    commands: Array.from({ length: 4 }, () =>
      vjp('attention', inputs, attributes, outputs, given, gradients),
    ),
  }
}

/** Element-wise kernels work on as many different tensors as a step has layers: none is in a cache when its turn comes. */
const layers = 24

function glu(workshop: Workshop, { intermediateSize }: KernelShape): KernelRun {
  const shape = [passTokens, 2 * intermediateSize]
  const y = workshop.tensor([passTokens, intermediateSize])
  return {
    kernel: 'glu',
    tokens: passTokens,
    limit: 'reading',
    amount: 2 * 3 * passTokens * intermediateSize,
    commands: Array.from({ length: layers }, () =>
      forward('glu', { gateUp: workshop.tensor(shape) }, { activation: 0 }, { y }),
    ),
  }
}

function gluBackward(workshop: Workshop, { intermediateSize }: KernelShape): KernelRun {
  const shape = [passTokens, 2 * intermediateSize]
  const dy = workshop.tensor([passTokens, intermediateSize])
  const gradient = workshop.tensor(shape)
  return {
    kernel: 'glu.vjp',
    tokens: passTokens,
    limit: 'reading',
    amount: 2 * 5 * passTokens * intermediateSize,
    commands: Array.from({ length: layers }, () =>
      vjp('glu', { gateUp: workshop.tensor(shape) }, { activation: 0 }, {}, { y: dy }, { gateUp: gradient }),
    ),
  }
}

function rmsNorm(workshop: Workshop, { hiddenSize }: KernelShape): KernelRun {
  const shape = [passTokens, hiddenSize]
  const gain = workshop.tensor([hiddenSize], 'float32')
  const outputs = { y: workshop.tensor(shape), rstd: workshop.tensor([passTokens], 'float32') }
  return {
    kernel: 'rmsNorm',
    tokens: passTokens,
    limit: 'reading',
    amount: 6 * passTokens * hiddenSize,
    commands: Array.from({ length: layers }, () =>
      forward(
        'rmsNorm',
        { x: workshop.tensor(shape, 'float32'), gain },
        { eps: 1e-5, fromOutput: 1 },
        outputs,
      ),
    ),
  }
}
