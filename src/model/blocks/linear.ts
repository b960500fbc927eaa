import type { Tensor } from '../../engine/tensor.ts'
import type { Outputs, Parameter } from '../weights/parameters.ts'
import { biases, matrix } from '../weights/parameters.ts'
import type { ForwardPass } from './forward-pass.ts'
import { present } from './forward-pass.ts'

/** Projections of one input, stacked. */
export interface Linear {
  weight: Parameter
  bias: Parameter | null
}

export function linear(inputs: number, outputs: readonly Outputs[], hasBias: boolean): Linear {
  return { weight: matrix('linear', inputs, outputs), bias: hasBias ? biases(outputs) : null }
}

export function linearParts({ weight, bias }: Linear): Parameter[] {
  return bias ? [weight, bias] : [weight]
}

/**
 * y = x Wᵀ + bias + LoRA, in the compute type, or `inFloat32`; with a residual that is added always so, as the stream.
 *
 * @param x  [M, inputs]
 */
export function recordLinear(
  { tape, tensors, options }: ForwardPass,
  x: Tensor,
  { weight: parameter, bias }: Linear,
  residual: Tensor | null,
  inFloat32 = residual !== null,
): Tensor {
  const { weight, lora, segments, place, isInt8 } = tensors.linear(parameter)
  const [count] = x.shape
  const { y } = tape.apply(
    'linear',
    {
      x,
      weight,
      bias: bias && tensors.tensor(bias),
      residual,
      loraA: lora?.a ?? null,
      loraB: lora?.b ?? null,
      dropoutSeed: lora && options.dropoutSeed,
    },
    {
      float32Output: inFloat32 ? 1 : 0,
      dropout: options.dropoutSeed ? (lora?.dropout ?? 0) : 0,
      seed: place,
      int8Activations: options.int8Activations && isInt8 ? 1 : 0,
      segments,
    },
    {
      y: { dtype: inFloat32 ? 'float32' : options.activation, shape: [count, weight.shape[0]] },
      t: lora && { dtype: options.activation, shape: [count, lora.totalRank] },
    },
  )
  return present(y)
}
