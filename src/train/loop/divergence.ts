import type { Document, TrainingBatch } from '../../batch/index.ts'
import { formatOrigin } from '../../data/index.ts'
import { FettleError, listNames } from '../../error.ts'

const expected = 'a finite number'

/** Whether an error says that a run's numbers were no longer finite: made again, they would be the same. */
export function isDivergence(error: unknown): boolean {
  return error instanceof FettleError && error.problems[0].expected === expected
}

/** What was no finite number, and where. */
interface Divergence {
  /** Steps made by the weights that gave it. */
  step: number
  /** `loss NaN`, `gradient norm Infinity` */
  found: string
  /** Of the step; none where held-out data gave it. */
  batches: readonly TrainingBatch<Document>[]
  /** Where these weights are. */
  saved: string | undefined
  /** The newest checkpoint that was followed by a finite loss, if there is one. */
  lastGood: string | undefined
}

/** The run cannot go on: its weights give no finite loss, or no finite gradients. */
export function divergence({ step, found, batches, saved, lastGood }: Divergence): FettleError {
  const rows = rowsOf(batches)
  const where = saved === undefined ? '' : ` These weights are ${saved}, to look at; it is not resumed.`
  const good =
    lastGood === undefined
      ? step === 0
        ? ' No step was made: the model itself, or these rows, give it.'
        : ' No checkpoint before it gave a finite loss.'
      : ` The last state that gave a finite loss is ${lastGood}.`
  return new FettleError(
    {
      place: rows.length > 0 ? `step ${step + 1}, rows ${listNames(rows)}` : `evaluation after step ${step}`,
      found,
      expected,
      cure: `${step === 0 ? 'Look at these rows, and at the model with fettle doctor.' : 'Lower learning_rate or max_grad_norm (--extend goes on from a checkpoint with others), or look at these rows.'}${good}${where}`,
    },
    { exitCode: 1 },
  )
}

/** A step whose loss or gradient norm leaps, where the spike guard is to stop the run. */
export function spikeError({
  step,
  found,
  batches,
  lastGood,
}: Pick<Divergence, 'step' | 'found' | 'batches' | 'lastGood'>): FettleError {
  const good = lastGood === undefined ? '' : ` The last checkpoint is ${lastGood}.`
  return new FettleError(
    {
      place: `step ${step + 1}, rows ${listNames(rowsOf(batches))}`,
      found,
      expected: 'no leap (spike_guard: stop)',
      cure: `Look at these rows, lower learning_rate, or go on without the updates of such steps (spike_guard: skip, with --extend).${good}`,
    },
    { exitCode: 1 },
  )
}

function rowsOf(batches: readonly TrainingBatch<Document>[]): string[] {
  return batches.flatMap(({ documents }) => documents.map(({ origin }) => formatOrigin(origin)))
}
