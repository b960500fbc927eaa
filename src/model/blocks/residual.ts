import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'
import type { Linear } from './linear.ts'
import { linearParts, recordLinear } from './linear.ts'
import type { Norm } from './norm.ts'

/** How what a block computes comes to the residual stream. */
export interface Residual {
  /** Of what is added; most families have none. */
  norm?: Norm | undefined
  /** A factor of what is added; default 1. */
  scale?: number | undefined
}

/**
 * stream + scale · norm(output(x)), float32.
 *
 * @param x  [M, inputs of output]
 */
export function addToStream(
  pass: ForwardPass,
  x: Tensor,
  output: Linear,
  stream: Tensor,
  { norm, scale = 1 }: Residual,
): Tensor {
  if (!norm && scale === 1) return recordLinear(pass, x, output, stream)
  const made = recordLinear(pass, x, output, null, true)
  const normalised = norm ? norm.record(pass, made) : made
  const y = { dtype: 'float32' as const, shape: stream.shape }
  return present(pass.tape.apply('addScaled', { x: normalised, residual: stream }, { scale }, { y }).y)
}

/** Parameters of `addToStream`, and the values of each token that it keeps. */
export function residualParts(
  output: Linear,
  width: number,
  { norm }: Residual,
): { parameters: Parameter[]; kept: number; float32: number } {
  return {
    parameters: [...linearParts(output), ...(norm?.parameters ?? [])],
    kept: norm ? width : 0,
    float32: norm ? width : 0,
  }
}
