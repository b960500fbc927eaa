import type { MlpAndExpertsParts } from '../../blocks/mlp-and-experts.ts'
import type { Norm } from '../../blocks/norm.ts'
import { rmsNorm } from '../../blocks/norm.ts'
import { factors, type ModuleName } from '../../weights/parameters.ts'
import { stackedExperts } from '../layers/expert-weights.ts'
import type { Gemma4Config } from './gemma4-keys.ts'
import type { KeyProblem } from '../keys/values.ts'
import { checkRouter } from '../keys/router-keys.ts'
import { routerOf } from '../layers/routed-experts.ts'

/** The experts of a layer of a Gemma 4, and what sends tokens to them. */
export function gemma4Experts(
  config: Gemma4Config,
  named: (safetensors: string, gguf: string) => ModuleName,
  norm: (safetensors: string, gguf: string) => Norm,
): Pick<MlpAndExpertsParts, 'experts' | 'router'> {
  const { hidden_size: width, rms_norm_eps: eps } = config
  const [count, inner] = [config.num_experts ?? 0, config.moe_intermediate_size ?? 0]
  const { safetensors: module, gguf } = named('experts', '')
  return {
    experts: {
      before: norm('pre_feedforward_layernorm_2', 'pre_ffw_norm_2'),
      ...stackedExperts({ count, width, inner }, module, gguf),
      after: norm('post_feedforward_layernorm_2', 'post_ffw_norm_2'),
    },
    router: {
      norm: rmsNorm(factors(named('router.scale', 'ffn_gate_inp.scale'), width), eps),
      logits: routerOf(width, count, named('router.proj', 'ffn_gate_inp')),
      scale: width ** -0.5,
      routing: { topK: config.top_k_experts ?? 0, isNormalised: true },
      expertScales: factors(named('router.per_expert_scale', 'ffn_down_exps.scale'), count),
    },
  }
}

/** What is wrong with the keys of experts, where there are some. */
export function checkGemma4Experts(config: Gemma4Config): KeyProblem[] {
  if (!config.enable_moe_block) return []
  const missing = (['num_experts', 'top_k_experts', 'moe_intermediate_size'] as const).filter(
    (key) => config[key] === null,
  )
  if (missing.length > 0) return missing.map((key) => ({ key, expected: 'a number, with enable_moe_block' }))
  return checkRouter(config.top_k_experts ?? 0, config.num_experts ?? 0).map((problem) => ({
    ...problem,
    key: 'top_k_experts',
  }))
}
