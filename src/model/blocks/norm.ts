import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** A norm of the residual stream. */
export interface Norm {
  parameters: readonly Parameter[]
  /** y [M, width] in the compute type, of x [M, width] float32. */
  record(pass: ForwardPass, x: Tensor): Tensor
}

/**
 * x / sqrt(mean(x²) + eps) · gain
 * Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
 */
export function rmsNorm(gain: Parameter, eps: number): Norm {
  return {
    parameters: [gain],
    record({ tape, tensors, options }, x) {
      const { y } = tape.apply(
        'rmsNorm',
        { x, gain: tensors.tensor(gain) },
        { eps, fromOutput: tensors.isInvertible(gain) ? 1 : 0 },
        {
          y: { dtype: options.activation, shape: x.shape },
          rstd: { dtype: 'float32', shape: [x.shape[0]] },
        },
      )
      return present(y)
    },
  }
}
