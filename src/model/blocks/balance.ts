import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { Routing } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** The loss that is least where all experts have as many tokens. */
export interface Balance {
  /** How many experts a token goes to. */
  topK: number
  /** What it is multiplied by where it is part of the loss. */
  coefficient: number
  /** Whether it is part of the loss where nobody says otherwise. */
  isAdded: boolean
}

/**
 * coefficient · E · Σ_e share of rows · mean probability, over all layers together [1].
 * Source: Fedus et al. 2021, https://arxiv.org/abs/2101.03961
 *
 * @param routings  of all layers that have experts
 */
export function recordBalance(
  tape: Tape,
  routings: readonly Routing[],
  topK: number,
  coefficient: number,
  hasGradient: boolean,
): Tensor {
  let usage: Tensor | null = null
  for (const { logits, ends } of routings) {
    const y = { dtype: 'float32' as const, shape: [2, ends.shape[0]] }
    usage = present(tape.apply('countExperts', { logits, ends, usage }, {}, { y }).y)
  }
  const counted = present(usage)
  const { loss } = tape.apply(
    'balanceLoss',
    { usage: counted },
    { topK, coefficient },
    { loss: { dtype: 'float32', shape: [1] }, dUsage: hasGradient ? counted : null },
  )
  return present(loss)
}
