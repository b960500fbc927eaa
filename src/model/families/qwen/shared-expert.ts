import type { SharedExpert } from '../../blocks/experts.ts'
import { linear } from '../../blocks/linear.ts'

interface SharedExpertConfig {
  hidden_size: number
  shared_expert_intermediate_size: number
  root: string
}

/** The MLP of a layer that every token goes to. */
export function sharedExpert(
  { hidden_size: width, shared_expert_intermediate_size: inner, root }: SharedExpertConfig,
  layer: number,
): SharedExpert {
  const named = (safetensors: string, gguf: string, rows: number) => ({
    module: { safetensors: `${root}.layers.${layer}.mlp.${safetensors}`, gguf: `blk.${layer}.${gguf}` },
    rows,
  })
  return {
    weight: linear(width, [named('shared_expert_gate', 'ffn_gate_inp_shexp', 1)], false),
    gateUp: linear(
      width,
      [
        named('shared_expert.gate_proj', 'ffn_gate_shexp', inner),
        named('shared_expert.up_proj', 'ffn_up_shexp', inner),
      ],
      false,
    ),
    down: linear(inner, [named('shared_expert.down_proj', 'ffn_down_shexp', width)], false),
  }
}
