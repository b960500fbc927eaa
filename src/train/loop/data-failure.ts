import { FettleError, messageOf } from '../../error.ts'

/**
 * What is said where a run cannot have the data of its next step, such as when a reward function throws: the same, and where to go on from.
 *
 * @param path  of the checkpoint that has everything trained so far
 */
export function dataFailure(error: unknown, step: number, path: string): FettleError {
  const goOn = `Nothing trained is lost: go on with --resume, from ${path}.`
  const problems =
    error instanceof FettleError ? error.problems : [{ place: `step ${step + 1}`, found: messageOf(error) }]
  return new FettleError(
    problems.map((problem, i) =>
      i === problems.length - 1
        ? { ...problem, cure: problem.cure === undefined ? goOn : `${problem.cure} ${goOn}` }
        : problem,
    ),
    { exitCode: 1, cause: error },
  )
}
