import { FettleError } from '../../error.ts'

/**
 * The values of a tensor, of which each must be a number: in whatever form they are written, NaN or an infinity makes every answer NaN.
 *
 * @param place  the model
 * @throws FettleError (exit code 1) that names the tensor
 */
export function finiteValues(values: Float32Array, name: string, place: string): Float32Array {
  // 0 · x is 0 for every number, and NaN for what is none.
  let zero = 0
  for (let i = 0; i < values.length; i += 1) zero += 0 * values[i]
  if (zero === 0) return values
  throw new FettleError(
    {
      place: `${place}: tensor ${name}`,
      found: String(values.find((value) => !Number.isFinite(value))),
      expected: 'finite numbers',
      cure: 'fettle doctor counts them: download the files again, or go back to a checkpoint before its loss was NaN.',
    },
    { exitCode: 1 },
  )
}
