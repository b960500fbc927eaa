import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { LogitBounds } from '../blocks/architecture.ts'
import type { TableLora } from '../blocks/forward-pass.ts'
import { present } from '../blocks/forward-pass.ts'

/** Normalised hidden states of the rows that are learned, and the head that they meet. */
export interface LearnedHidden {
  hidden: Tensor
  head: Tensor
  bounds: LogitBounds
  lora: TableLora | null
  dropout: { seed: Tensor; place: number } | null
  /** Of a reward model: the head gives a score of each row, in the place of its log-probability. */
  isScored: boolean
}

/** Log-probabilities [m] of the targets, described if asked for, or scores; with weights the hidden states' gradient is made on the way. */
export function targetLogProbs(
  tape: Tape,
  learned: LearnedHidden,
  targets: Tensor,
  weights: Tensor | null,
  describes = false,
): { logProbs: Tensor; lse: Tensor; description?: Tensor } {
  const { hidden, head, bounds, lora, isScored } = learned
  const vector = { dtype: 'float32' as const, shape: [targets.shape[0]] }
  if (isScored) {
    const made = tape.apply(
      'scoreRows',
      { hidden, weight: head, weights },
      {},
      { scores: vector, dHidden: weights && hidden },
    )
    return { logProbs: present(made.scores), lse: present(made.scores) }
  }
  const description = describes ? { dtype: 'float32' as const, shape: [targets.shape[0], 4] } : null
  if (lora) {
    const adapted = withLora(tape, learned, lora)
    const made = tape.apply(
      'adaptedLogProbs',
      { targets, weight: head, loraB: lora.b, hidden: adapted, weights },
      { ...bounds },
      { logProbs: vector, lse: vector, dHidden: weights && adapted, description },
    )
    return headResults(made)
  }
  const made = tape.apply(
    'targetLogProbs',
    { hidden, weight: head, targets, weights },
    { ...bounds },
    { logProbs: vector, lse: vector, dHidden: weights && hidden, description },
  )
  return headResults(made)
}

function headResults({
  logProbs,
  lse,
  description,
}: {
  logProbs: Tensor | null
  lse: Tensor | null
  description: Tensor | null
}) {
  return { logProbs: present(logProbs), lse: present(lse), ...(description && { description }) }
}

/** The hidden states, and behind them scaling · A h: what the head's columns and those of B are multiplied by. */
function withLora(
  tape: Tape,
  { hidden, dropout }: LearnedHidden,
  { a, scaling, dropout: p }: TableLora,
): Tensor {
  const [count, width] = hidden.shape
  const [rank] = a.shape
  const x =
    dropout && p > 0
      ? present(
          tape.apply(
            'dropout',
            { x: hidden, dropoutSeed: dropout.seed },
            { dropout: p, seed: dropout.place, rest: 0 },
            { y: hidden },
          ).y,
        )
      : hidden
  const { y: t } = tape.apply(
    'linear',
    { x, weight: a, bias: null, residual: null, loraA: null, loraB: null, dropoutSeed: null },
    { float32Output: 0, dropout: 0, seed: 0, int8Activations: 0, segments: [rank, 0, 0] },
    { y: { dtype: hidden.dtype, shape: [count, rank] }, t: null },
  )
  const y = { dtype: hidden.dtype, shape: [count, width + rank] }
  const sizes = { scale: scaling, width, added: rank }
  return present(tape.apply('appendColumns', { x: hidden, t }, sizes, { y }).y)
}
