import { FettleError } from '../../error.ts'
import type { Architecture } from '../../model/index.ts'
import { linearParameters, vocabularyOf } from '../../model/index.ts'

/** Sizes of a model whose layers are all alike: grouped heads and a gated MLP. */
export interface ModelShape {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layerCount: number
  headCount: number
  keyHeadCount: number
  headDim: number
  /** Sliding window of each layer; 0: none. */
  windows: number[]
}

/** @throws FettleError for a model whose work is not counted yet */
export function modelShape(architecture: Architecture): ModelShape {
  const { layers, width } = architecture
  const attentions = layers.flatMap((layer) => layer.flatMap(({ attention }) => attention ?? []))
  const [attention] = attentions
  if (attentions.length !== layers.length || linearParameters({ layers }).length !== 4 * layers.length)
    throw new FettleError({
      place: 'bench',
      found: 'a model with layers of several kinds',
      expected: 'one with attention and a gated MLP in each layer',
    })
  return {
    vocabSize: vocabularyOf(architecture),
    hiddenSize: width,
    intermediateSize: linearParameters({ layers })[3].columns,
    layerCount: layers.length,
    headCount: attention.queryHeads,
    keyHeadCount: attention.keyHeads,
    headDim: attention.headDim,
    windows: attentions.map(({ window }) => window),
  }
}
