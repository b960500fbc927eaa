import type { Tensor } from '../../engine/tensor.ts'
import type { Parameter } from '../weights/parameters.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** A norm of the residual stream, or of what is added to it. */
export interface Norm {
  parameters: readonly Parameter[]
  /** y [M, width] in the compute type, of x [M, width] in that or float32. */
  record(pass: ForwardPass, x: Tensor): Tensor
}

/** y = x: for blocks that read the stream as it is. */
export const noNorm: Norm = {
  parameters: [],
  record({ tape, options }, x) {
    return present(tape.apply('cast', { x }, {}, { y: { dtype: options.activation, shape: x.shape } }).y)
  },
}

/**
 * (x − mean) / sqrt(variance + eps) · gain + bias
 * Source: Ba et al. 2016, https://arxiv.org/abs/1607.06450
 */
export function layerNorm(gain: Parameter, bias: Parameter, eps: number): Norm {
  return {
    parameters: [gain, bias],
    record({ tape, tensors, options }, x) {
      const vector = { dtype: 'float32' as const, shape: [x.shape[0]] }
      const { y } = tape.apply(
        'layerNorm',
        { x, gain: tensors.tensor(gain), bias: tensors.tensor(bias) },
        { eps },
        { y: { dtype: options.activation, shape: x.shape }, mean: vector, rstd: vector },
      )
      return present(y)
    },
  }
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
