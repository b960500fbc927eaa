import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Architecture, LogitBounds } from './architecture.ts'
import type { ForwardPass, LayerPass, TableLora } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/**
 * Embedding and layers: the residual stream float32 of all tokens, or of those that `rows` lists, before the final
 * norm. Of the others nothing is computed but what the last block that mixes tokens takes from them.
 */
export function decode(pass: ForwardPass, { embedding, layerInputs, layers }: Architecture): Tensor {
  const { tape, tensors, tokens, rowGradient } = pass
  const { wholeLayers, gatedLayers } = pass.options.recomputation
  let stream = embedding.record(pass, tensors.tensor(embedding.table))
  if (rowGradient) {
    const scale = embedding.scaleIn(pass.options.activation)
    stream = addRows(tape, stream, tokens.ids, { ...rowGradient, scale })
  }
  if (tensors.embeddingLora) {
    const { a: indicator, b: weight, scaling } = tensors.embeddingLora
    const scale = scaling * embedding.scaleIn(pass.options.activation)
    stream = addRows(tape, stream, tokens.ids, { indicator, weight, scale })
  }
  const { noise } = pass.options
  if (noise) stream = present(tape.apply('addNoise', { x: stream, ...noise }, {}, { y: stream }).y)
  const inner: LayerPass = {
    ...pass,
    layerInputs: layerInputs?.record(pass, stream) ?? null,
    keyValues: new Map(),
  }
  const blocks = layers.flat()
  const last = blocks.findLastIndex(({ mixesTokens }) => mixesTokens)
  const behind = new Set(blocks.slice(last + 1))
  layers.forEach((layer, index) => {
    const compute = () =>
      layer.reduce(
        (x, block) =>
          block.record(inner, x, {
            rows: block === blocks[last] ? tokens.rows : undefined,
            chosen: behind.has(block) ? tokens.rows : undefined,
            computesAgain: index < wholeLayers + gatedLayers,
          }),
        stream,
      )
    stream = index < wholeLayers ? tape.recomputed(compute) : compute()
  })
  return stream
}

/** stream + scale · indicator[ids] · weightᵀ: LoRA on the embedding, or the rows of a zero weight, for the sake of its gradient. */
function addRows(
  tape: Tape,
  stream: Tensor,
  ids: Tensor,
  { indicator, weight, scale }: { indicator: Tensor; weight: Tensor; scale: number },
): Tensor {
  const [width, rows] = weight.shape
  const shape = [ids.shape[0], rows]
  const { y: x } = tape.apply(
    'embedding',
    { ids, table: indicator },
    { scale },
    { y: { dtype: 'float32', shape } },
  )
  const { y } = tape.apply(
    'linear',
    { x, weight, bias: null, residual: stream, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [width, 0, 0] },
    { y: { dtype: 'float32', shape: stream.shape }, t: null },
  )
  return present(y)
}

/** Logits [m, vocabulary] float32 of normalised hidden states. */
export function headLogits(
  tape: Tape,
  hidden: Tensor,
  head: Tensor,
  bounds: LogitBounds,
  lora: TableLora | null,
): Tensor {
  const rows = head.shape[0]
  const rank = lora?.a.shape[0] ?? 0
  const { y } = tape.apply(
    'linear',
    {
      x: hidden,
      weight: head,
      bias: null,
      residual: null,
      loraA: lora?.a ?? null,
      loraB: lora?.b ?? null,
      dropoutSeed: null,
    },
    {
      float32Output: 1,
      dropout: 0,
      seed: 0,
      int8Activations: 0,
      segments: [rows, rank, lora?.scaling ?? 0],
    },
    {
      y: { dtype: 'float32', shape: [hidden.shape[0], rows] },
      t: lora && { dtype: hidden.dtype, shape: [hidden.shape[0], rank] },
    },
  )
  const products = present(y)
  if (bounds.scale === 1 && bounds.cap === 0) return products
  return present(tape.apply('capLogits', { x: products }, { ...bounds }, { y: products }).y)
}
