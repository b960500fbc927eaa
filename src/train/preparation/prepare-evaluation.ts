import { findValidation, sourceName, type DataSource } from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { TrainOptions } from '../options/index.ts'

/** What a run is evaluated on besides what is held out of its data, and what is worth knowing of it. */
interface Evaluation<T> {
  made?: T
  notes: string[]
}

/**
 * Prepares what a run is evaluated on: the files that it names, or, where nothing is held out of its data either, the beginning of a
 * validation split beside them. What nobody asked for ends no run.
 *
 * @throws FettleError where rows that were named cannot be used
 */
export async function prepareEvaluation<T>(
  { data, evalData, valSize }: Pick<TrainOptions, 'data' | 'evalData' | 'valSize'>,
  prepare: (set: 'eval_data', sources: readonly DataSource[]) => Promise<T>,
): Promise<Evaluation<T>> {
  if (evalData !== undefined && evalData !== null)
    return { made: await prepare('eval_data', evalData), notes: [] }
  const found = evalData === null || valSize !== undefined ? [] : await findValidation(data)
  if (found.length === 0) return { notes: [] }
  const names = found
    .map((source) => `${sourceName(source)}:${'split' in source ? source.split : ''}`)
    .join(', ')
  try {
    return {
      made: await prepare('eval_data', found),
      notes: [`eval_data: ${names}, found beside the training data; eval_data: null leaves it out`],
    }
  } catch (error) {
    if (!(error instanceof FettleError)) throw error
    const [{ place, found: what }] = error.problems
    return { notes: [`${names} is not evaluated on: ${place}: ${what}`] }
  }
}
