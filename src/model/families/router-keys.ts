import { z } from 'zod'
import type { Balance } from '../blocks/balance.ts'
import type { Linear } from '../blocks/linear.ts'
import { biases, matrix, type ModuleName } from '../weights/parameters.ts'
import type { KeyProblem } from './keys.ts'
import { count, flag } from './keys.ts'

/** Keys of every router, with the defaults of the class. */
export const routerKeys = (defaults: { perToken: number; lossWeight: number }) => ({
  num_experts_per_tok: count(defaults.perToken),
  output_router_logits: flag(false),
  router_aux_loss_coef: z.number().default(defaults.lossWeight),
})

type RouterConfig = z.output<z.ZodObject<ReturnType<typeof routerKeys>>>

/** Transformers adds it to the loss where `output_router_logits` says so. */
export function balanceOf(config: RouterConfig): { balance: Balance } {
  const {
    num_experts_per_tok: topK,
    router_aux_loss_coef: coefficient,
    output_router_logits: isAdded,
  } = config
  return { balance: { topK, coefficient, isAdded } }
}

/** What is wrong with how many experts a token goes to. */
export function checkRouter(perToken: number, experts: number): KeyProblem[] {
  if (perToken <= experts) return []
  return [{ key: 'num_experts_per_tok', expected: `at most the number of experts, ${experts}` }]
}

/** A logit for each expert: no adapter changes it, and it is held whole. */
export function routerOf(width: number, experts: number, module: ModuleName, hasBias = false): Linear {
  const outputs = [{ module, rows: experts }]
  return { weight: matrix('matrix', width, outputs), bias: hasBias ? biases(outputs) : null }
}
