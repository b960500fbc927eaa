import type { Experts } from '../../blocks/experts.ts'
import { expertMatrix, zeroVector, type ParameterPart, type StoredTensor } from '../../weights/parameters.ts'
import { expertColumns, expertOutputs, gateBesideUp, stacked } from '../../weights/transforms.ts'
import type { StoredNames } from '../family.ts'

/** Sizes of a layer's experts, and what they are called. */
export interface ExpertSizes {
  count: number
  width: number
  /** Of what lies between gate and down. */
  inner: number
}

/** Names in model.safetensors: of each expert its own, as Transformers saves them, or of all in one tensor, as it holds them. */
export interface ExpertNames {
  /** Before `experts.0.` */
  module: string
  gate: string
  up: string
  down: string
  /** Before `experts.gate_up_proj`. */
  fused: string
  /** Before `experts.` of GGUF files. */
  gguf: string
}

/** gate, up and down of all experts of a layer, in whichever way the file has them. */
export function expertWeights(
  { count, width, inner }: ExpertSizes,
  { module, gate, up, down, fused, gguf }: ExpertNames,
  stored: StoredNames,
): { gateUp: Experts; down: Experts } {
  const isFused = (name: string) => stored.has(`${fused}.experts.${name}`)
  const all = (name: string, rows: number, stored_: StoredTensor): ParameterPart[] => [
    {
      rows: count * rows,
      safetensors: { name: `${fused}.experts.${name}`, transform: stacked(count) },
      gguf: stored_,
    },
  ]
  const single = (expert: number, name: string, rows: number, ggufName: string): ParameterPart => ({
    rows,
    safetensors: { name: `${module}.experts.${expert}.${name}.weight` },
    gguf: ggufExpert(gguf, ggufName, { index: expert, count }, stored),
  })
  const each = (parts: (expert: number) => ParameterPart[]) =>
    Array.from({ length: count }, (_, expert) => parts(expert)).flat()
  const stack = (name: string) => ({ count, name: `${fused}.experts.${name}`, outputs: expertOutputs(count) })
  return {
    gateUp: {
      weight: expertMatrix(
        stack('gate_up_proj'),
        width,
        isFused('gate_up_proj')
          ? all('gate_up_proj', 2 * inner, ggufGatesAndUps(gguf, count, 'weight'))
          : each((expert) => [single(expert, gate, inner, 'ffn_gate'), single(expert, up, inner, 'ffn_up')]),
      ),
      bias: null,
    },
    down: {
      weight: expertMatrix(
        stack('down_proj'),
        inner,
        isFused('down_proj')
          ? all('down_proj', width, { name: `${gguf}.ffn_down_exps.weight`, transform: stacked(count) })
          : each((expert) => [single(expert, down, width, 'ffn_down')]),
      ),
      bias: null,
    },
  }
}

/**
 * The matrix of an expert in a GGUF file: one of those in a tensor, which newer files have of gates and ups together; in files of 2023 a
 * tensor of its own.
 */
function ggufExpert(
  layer: string,
  name: string,
  { index, count }: { index: number; count: number },
  stored: StoredNames,
): StoredTensor {
  const alone = `${layer}.${name}.${index}.weight`
  if (stored.has(alone)) return { name: alone }
  const both = `${layer}.ffn_gate_up_exps.weight`
  if (name !== 'ffn_down' && stored.has(both)) {
    const piece = { name: both, index: 2 * index + (name === 'ffn_up' ? 1 : 0), count: 2 * count, beside: 2 }
    return { name: both, pieces: [piece] }
  }
  const all = `${layer}.${name}_exps.weight`
  return { name: all, pieces: [{ name: all, index, count }] }
}

/** Gates and ups of all experts, each of which GGUF files have in a tensor of its own: an expert's lie one below the other. */
function ggufGatesAndUps(layer: string, count: number, kind: 'weight' | 'bias'): StoredTensor {
  const [gates, ups] = ['gate', 'up'].map((name) => `${layer}.ffn_${name}_exps.${kind}`)
  const pieces = Array.from({ length: count }, (_, index) => [
    { name: gates, index, count },
    { name: ups, index, count },
  ]).flat()
  return { name: gates, pieces }
}

/** The same of Gemma 4: all in one tensor [experts, outputs, inputs], in files of both kinds. */
export function stackedExperts(
  { count, width, inner }: ExpertSizes,
  module: string,
  gguf: string,
): { gateUp: Experts; down: Experts } {
  const all = (name: string, columns: number, rows: number, ggufName: string): Experts => {
    const transform = stacked(count)
    const stack = { count, name: `${module}.${name}`, outputs: expertOutputs(count) }
    const stored = {
      safetensors: { name: stack.name, transform },
      gguf: { name: `${gguf}${ggufName}_exps.weight`, transform },
    }
    return { weight: expertMatrix(stack, columns, [{ rows: count * rows, ...stored }]), bias: null }
  }
  return {
    gateUp: all('gate_up_proj', width, 2 * inner, 'ffn_gate_up'),
    down: all('down_proj', inner, width, 'ffn_down'),
  }
}

/** The same of gpt-oss: all in one tensor [experts, inputs, outputs], with gates and ups by turns, and biases. */
export function biasedExperts(
  { count, width, inner }: ExpertSizes,
  module: string,
  gguf: string,
): { gateUp: Experts; down: Experts } {
  const part = (name: string, rows: number, stored: StoredTensor, fileColumn?: typeof gateBesideUp) => [
    {
      rows: count * rows,
      safetensors: { name: `${module}.experts.${name}`, transform: expertColumns(count, fileColumn) },
      gguf: stored,
    },
  ]
  const downOf = (kind: string) => ({ name: `${gguf}.ffn_down_exps.${kind}`, transform: stacked(count) })
  const stack = (name: string, fileColumn?: typeof gateBesideUp) => ({
    count,
    name: `${module}.experts.${name}`,
    outputs: expertOutputs(count, fileColumn),
  })
  return {
    gateUp: {
      weight: expertMatrix(
        stack('gate_up_proj', gateBesideUp),
        width,
        part('gate_up_proj', 2 * inner, ggufGatesAndUps(gguf, count, 'weight'), gateBesideUp),
      ),
      bias: zeroVector(
        part('gate_up_proj_bias', 2 * inner, ggufGatesAndUps(gguf, count, 'bias'), gateBesideUp),
      ),
    },
    down: {
      weight: expertMatrix(stack('down_proj'), inner, part('down_proj', width, downOf('weight'))),
      bias: zeroVector(part('down_proj_bias', width, downOf('bias'))),
    },
  }
}
