import { z } from 'zod'
import type { Balance } from '../../blocks/balance.ts'
import { count, flag, optionalCount, unless, type KeyProblem } from './values.ts'

/** Keys of every router, with the defaults of the class. */
export const routerKeys = (defaults: { perToken: number; lossWeight: number }) => ({
  num_experts_per_tok: count(defaults.perToken),
  output_router_logits: flag(false),
  router_aux_loss_coef: z.number().default(defaults.lossWeight),
})

/** How many experts there are, where the class calls them local. */
export const localExpertKeys = (experts: number) => ({
  num_local_experts: count(experts),
  /** What Transformers 5 takes for it, too; it counts where both are there. */
  num_experts: optionalCount(null),
})

/** The number that counts. */
export function localExperts({
  num_experts,
  num_local_experts,
}: {
  num_experts: number | null
  num_local_experts: number
}): number {
  return num_experts ?? num_local_experts
}

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
  return unless(perToken <= experts, 'num_experts_per_tok', `at most the number of experts, ${experts}`)
}
