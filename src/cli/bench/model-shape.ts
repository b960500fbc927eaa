import type { Architecture, AttentionShape, Block, Parameter } from '../../model/index.ts'
import { vocabularyOf } from '../../model/index.ts'
import { FettleError } from '../../error.ts'

/** Products of a token with one matrix, or with stacked ones that read the same input. */
export interface Product {
  /** Outputs of each projection. */
  parts: readonly number[]
  /** Inputs. */
  depth: number
  /** The share of the weights that a token meets: of experts those that it goes to. */
  share: number
  /** Whether LoRA on all linear layers adapts it. */
  isAdapted: boolean
}

/** What a layer computes of each token. */
export interface LayerShape {
  products: readonly Product[]
  /** null: it has no attention. */
  attention: AttentionShape | null
  /** FLOPs of a token beside these. */
  flops: number
}

/** Sizes of a model, as work is counted from them. */
export interface ModelShape {
  vocabSize: number
  hiddenSize: number
  /** Of the embedded tokens, before the layers. */
  inputs: readonly Product[]
  layers: readonly LayerShape[]
}

/** What an architecture computes; every matrix of a block is one that each token is multiplied with. */
export function modelShape(architecture: Architecture): ModelShape {
  const { layers, layerInputs, width } = architecture
  const inputs = layerInputs?.parameters.filter(({ key }) => key !== layerInputs.table.key) ?? []
  return {
    vocabSize: vocabularyOf(architecture),
    hiddenSize: width,
    inputs: inputs.flatMap((parameter) => productOf(parameter, 1)),
    layers: layers.map((blocks) => ({
      products: blocks.flatMap((block) =>
        block.parameters.flatMap((parameter) => productOf(parameter, shareOf(block, parameter))),
      ),
      attention: blocks.flatMap(({ attention }) => attention ?? [])[0] ?? null,
      flops: blocks.reduce((sum, { cost }) => sum + (cost?.flops ?? 0), 0),
    })),
  }
}

function shareOf({ cost }: Block, parameter: Parameter): number {
  return cost?.shareOf?.(parameter) ?? 1
}

function productOf({ kind, columns, parts }: Parameter, share: number): Product[] {
  if (kind === 'vector') return []
  return [{ parts: parts.map(({ rows }) => rows), depth: columns, share, isAdapted: kind === 'linear' }]
}

/** Outputs of all its projections together. */
export function rowsOf({ parts }: Pick<Product, 'parts'>): number {
  return parts.reduce((sum, rows) => sum + rows, 0)
}

/** Weights of a product that a token meets. */
export function usedWeights(product: Product): number {
  return rowsOf(product) * product.depth * product.share
}

/** Weights that one token meets before the head. */
export function weightsOfToken({ inputs, layers }: ModelShape): number {
  return [...inputs, ...layers.flatMap(({ products }) => products)].reduce(
    (sum, product) => sum + usedWeights(product),
    0,
  )
}

/** Sizes of one layer whose kernels are measured alone. */
export interface KernelShape {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  headCount: number
  keyHeadCount: number
  headDim: number
  products: readonly Product[]
}

/** @throws FettleError for a model in which no layer has attention */
export function kernelShape({ vocabSize, hiddenSize, layers }: ModelShape): KernelShape {
  const { attention, products } = layers.find((layer) => layer.attention) ?? layers[0]
  if (!attention)
    throw new FettleError({
      place: 'bench --only kernels',
      found: 'a model without attention',
      expected: 'a layer with attention, whose kernels are measured',
    })
  const adapted = products.filter(({ isAdapted }) => isAdapted)
  return {
    vocabSize,
    hiddenSize,
    intermediateSize: Math.max(...adapted.map(({ depth }) => depth)),
    headCount: attention.queryHeads,
    keyHeadCount: attention.keyHeads,
    headDim: attention.headDim,
    products: adapted,
  }
}
