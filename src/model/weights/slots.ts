import type { ModelConfig } from '../families/config.ts'

/**
 * A parameter as the engine holds it: one or more tensors of the file, stacked by rows, because the projections that
 * read the same input are computed as one product.
 */
export interface Slot {
  key: string
  /** `matrix` [Σ rows, columns], or `vector` [Σ rows]. */
  kind: 'matrix' | 'vector'
  columns: number
  /** Names as in model.safetensors. */
  parts: { name: string; rows: number }[]
}

/** Slots of one decoder layer; the optional ones depend on the architecture. */
export interface LayerSlots {
  attentionNorm: Slot
  qkv: Slot
  qkvBias?: Slot
  qNorm?: Slot
  kNorm?: Slot
  output: Slot
  outputBias?: Slot
  mlpNorm: Slot
  gateUp: Slot
  gateUpBias?: Slot
  down: Slot
  downBias?: Slot
}

export interface ModelSlots {
  embed: Slot
  layers: LayerSlots[]
  norm: Slot
  /** Absent when the head is the embedding matrix. */
  head?: Slot
}

/** Every parameter of a Llama-like model, named as transformers names it. */
export function modelSlots(config: ModelConfig): ModelSlots {
  const { hiddenSize, intermediateSize, headDim, headCount, keyHeadCount, vocabSize } = config
  const matrix = (key: string, columns: number, parts: [string, number][]): Slot => ({
    key,
    kind: 'matrix',
    columns,
    parts: parts.map(([name, rows]) => ({ name: `${name}.weight`, rows })),
  })
  const vector = (key: string, parts: [string, number][], suffix = 'weight'): Slot => ({
    key,
    kind: 'vector',
    columns: 1,
    parts: parts.map(([name, rows]) => ({ name: `${name}.${suffix}`, rows })),
  })
  const layers = Array.from({ length: config.layerCount }, (_, i): LayerSlots => {
    const layer = `model.layers.${i}`
    const attention = `${layer}.self_attn`
    const qkv: [string, number][] = [
      [`${attention}.q_proj`, headCount * headDim],
      [`${attention}.k_proj`, keyHeadCount * headDim],
      [`${attention}.v_proj`, keyHeadCount * headDim],
    ]
    const output: [string, number][] = [[`${attention}.o_proj`, hiddenSize]]
    const gateUp: [string, number][] = [
      [`${layer}.mlp.gate_proj`, intermediateSize],
      [`${layer}.mlp.up_proj`, intermediateSize],
    ]
    const down: [string, number][] = [[`${layer}.mlp.down_proj`, hiddenSize]]
    const { biases } = config
    return {
      attentionNorm: vector(`${i}.attentionNorm`, [[`${layer}.input_layernorm`, hiddenSize]]),
      qkv: matrix(`${i}.qkv`, hiddenSize, qkv),
      ...(biases.qkv && { qkvBias: vector(`${i}.qkvBias`, qkv, 'bias') }),
      ...(config.qkNorm && {
        qNorm: vector(`${i}.qNorm`, [[`${attention}.q_norm`, headDim]]),
        kNorm: vector(`${i}.kNorm`, [[`${attention}.k_norm`, headDim]]),
      }),
      output: matrix(`${i}.output`, headCount * headDim, output),
      ...(biases.output && { outputBias: vector(`${i}.outputBias`, output, 'bias') }),
      mlpNorm: vector(`${i}.mlpNorm`, [[`${layer}.post_attention_layernorm`, hiddenSize]]),
      gateUp: matrix(`${i}.gateUp`, hiddenSize, gateUp),
      ...(biases.mlp && { gateUpBias: vector(`${i}.gateUpBias`, gateUp, 'bias') }),
      down: matrix(`${i}.down`, intermediateSize, down),
      ...(biases.mlp && { downBias: vector(`${i}.downBias`, down, 'bias') }),
    }
  })
  return {
    embed: matrix('embed', hiddenSize, [['model.embed_tokens', vocabSize]]),
    layers,
    norm: vector('norm', [['model.norm', hiddenSize]]),
    ...(!config.tiedEmbeddings && { head: matrix('head', hiddenSize, [['lm_head', vocabSize]]) }),
  }
}

/** All slots in the order of the forward pass. */
export function allSlots(slots: ModelSlots): Slot[] {
  const layers = slots.layers.flatMap((layer) => Object.values(layer) as Slot[])
  return [slots.embed, ...layers, slots.norm, ...(slots.head ? [slots.head] : [])]
}

/** The linear layers of a decoder layer that LoRA can adapt, with their module paths. */
export function adaptableSlots(slots: ModelSlots): Slot[] {
  return slots.layers.flatMap(({ qkv, output, gateUp, down }) => [qkv, output, gateUp, down])
}

/** `model.layers.0.self_attn.q_proj` of `model.layers.0.self_attn.q_proj.weight`. */
export function moduleOf(parameterName: string): string {
  return parameterName.slice(0, parameterName.lastIndexOf('.'))
}
