import type { Block } from '../../blocks/architecture.ts'
import { experts, plainGate, type SharedExpert } from '../../blocks/experts.ts'
import type { Linear } from '../../blocks/linear.ts'
import type { Norm } from '../../blocks/norm.ts'
import { biases, matrix, type ModuleName } from '../../weights/parameters.ts'
import type { StoredNames } from '../family.ts'
import { activationNames } from '../keys/activation-keys.ts'
import { expertWeights, type ExpertNames } from './expert-weights.ts'

/** Experts as they are in most families: gated MLPs, and a router that chooses some of them for each token. */
export interface RoutedExperts {
  count: number
  inner: number
  /** Whether the weights of those that a token goes to sum to one. */
  isNormalised: boolean
  names: ExpertNames
  shared?: SharedExpert | undefined
}

/** What a configuration says of them. */
interface ExpertConfig {
  hidden_size: number
  num_experts_per_tok: number
  hidden_act?: keyof typeof activationNames
}

/** The experts of a layer behind its norm. */
export function routedExperts(
  { hidden_size: width, num_experts_per_tok: topK, hidden_act = 'silu' }: ExpertConfig,
  { count, inner, isNormalised, names, shared }: RoutedExperts,
  stored: StoredNames,
): (norm: Norm) => Block {
  const router = { safetensors: `${names.module}.gate`, gguf: `${names.gguf}.ffn_gate_inp` }
  return (norm) =>
    experts({
      norm,
      router: routerOf(width, count, router),
      routing: { topK, isNormalised },
      ...expertWeights({ count, width, inner }, names, stored),
      gate: plainGate(activationNames[hidden_act]),
      shared,
    })
}

/** A logit for each expert: no adapter changes it, and it is held whole. */
export function routerOf(width: number, experts: number, module: ModuleName, hasBias = false): Linear {
  const outputs = [{ module, rows: experts }]
  return { weight: matrix('matrix', width, outputs), bias: hasBias ? biases(outputs) : null }
}
