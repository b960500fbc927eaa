import type { Experts } from '../blocks/experts.ts'
import { expertMatrix, zeroVector, type ParameterPart } from '../weights/parameters.ts'
import { expertColumns, expertOutputs, gateBesideUp, stacked } from '../weights/transforms.ts'
import type { StoredNames } from './family.ts'

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
  const all = (name: string, rows: number, ggufName: string): ParameterPart[] => [
    {
      rows: count * rows,
      safetensors: { name: `${fused}.experts.${name}`, transform: stacked(count) },
      gguf: { name: `${gguf}.${ggufName}_exps.weight`, transform: stacked(count) },
    },
  ]
  const single = (expert: number, name: string, rows: number, ggufName: string): ParameterPart => ({
    rows,
    safetensors: { name: `${module}.experts.${expert}.${name}.weight` },
    gguf: { name: `${gguf}.${ggufName}.${expert}.weight` },
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
          ? all('gate_up_proj', 2 * inner, 'ffn_gate_up')
          : each((expert) => [single(expert, gate, inner, 'ffn_gate'), single(expert, up, inner, 'ffn_up')]),
      ),
      bias: null,
    },
    down: {
      weight: expertMatrix(
        stack('down_proj'),
        inner,
        isFused('down_proj')
          ? all('down_proj', width, 'ffn_down')
          : each((expert) => [single(expert, down, width, 'ffn_down')]),
      ),
      bias: null,
    },
  }
}

/** The same of gpt-oss: all in one tensor [experts, inputs, outputs], with gates and ups by turns, and biases. */
export function biasedExperts(
  { count, width, inner }: ExpertSizes,
  module: string,
  gguf: string,
): { gateUp: Experts; down: Experts } {
  const part = (name: string, rows: number, ggufName: string, fileColumn?: typeof gateBesideUp) => [
    {
      rows: count * rows,
      safetensors: { name: `${module}.experts.${name}`, transform: expertColumns(count, fileColumn) },
      gguf: { name: `${gguf}.${ggufName}` },
    },
  ]
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
        part('gate_up_proj', 2 * inner, 'ffn_gate_up_exps.weight', gateBesideUp),
      ),
      bias: zeroVector(part('gate_up_proj_bias', 2 * inner, 'ffn_gate_up_exps.bias', gateBesideUp)),
    },
    down: {
      weight: expertMatrix(stack('down_proj'), inner, part('down_proj', width, 'ffn_down_exps.weight')),
      bias: zeroVector(part('down_proj_bias', width, 'ffn_down_exps.bias')),
    },
  }
}
