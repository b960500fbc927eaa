import type { Block } from '../../blocks/architecture.ts'
import { experts } from '../../blocks/experts.ts'
import type { Norm } from '../../blocks/norm.ts'
import { localExperts } from '../keys/router-keys.ts'
import { biasedExperts } from '../layers/expert-weights.ts'
import { routerOf } from '../layers/routed-experts.ts'
import type { GptOssConfig } from './gpt-oss-keys.ts'

/** The experts of a layer behind its norm: with biases, a limit, and a gate of their own. */
export function gptOssExperts(config: GptOssConfig, module: string, gguf: string): (norm: Norm) => Block {
  const { hidden_size: width, intermediate_size: inner } = config
  const count = localExperts(config)
  const router = { safetensors: `${module}.router`, gguf: `${gguf}.ffn_gate_inp` }
  return (norm) =>
    experts({
      norm,
      router: routerOf(width, count, router, true),
      routing: { topK: config.num_experts_per_tok, isNormalised: true },
      ...biasedExperts({ count, width, inner }, module, gguf),
      gate: { activation: 'silu', gain: config.swiglu_alpha, limit: config.swiglu_limit },
    })
}
