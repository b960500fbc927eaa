import type { DType, Tensor } from '../../engine/tensor.ts'
import type { Outputs, Parameter } from '../weights/parameters.ts'
import { biases, matrix } from '../weights/parameters.ts'
import type { ForwardPass, LinearTensors } from './forward-pass.ts'
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
  pass: ForwardPass,
  x: Tensor,
  projection: Linear,
  residual: Tensor | null,
  inFloat32 = residual !== null,
): Tensor {
  const tensors = pass.tensors.linear(projection.weight)
  const bias = projection.bias && pass.tensors.tensor(projection.bias)
  if (tensors.dora)
    return recordDora(pass, x, { ...tensors, dora: tensors.dora }, { bias, residual, inFloat32 })
  return recordProduct(pass, x, tensors, { bias, residual, inFloat32 }, tensors.lora?.dropout ?? 0)
}

/** What is added to a product, and the type of the sum. */
interface Sum {
  bias: Tensor | null
  residual: Tensor | null
  inFloat32: boolean
}

function recordProduct(
  { tape, options }: ForwardPass,
  x: Tensor,
  { weight, lora, segments, place, isInt8 }: LinearTensors,
  { bias, residual, inFloat32 }: Sum,
  dropout: number,
): Tensor {
  const [count] = x.shape
  const { y } = tape.apply(
    'linear',
    {
      x,
      weight,
      bias,
      residual,
      loraA: lora?.a ?? null,
      loraB: lora?.b ?? null,
      dropoutSeed: lora && options.dropoutSeed,
    },
    {
      float32Output: inFloat32 ? 1 : 0,
      dropout: options.dropoutSeed ? dropout : 0,
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

/**
 * With DoRA, and c = magnitude · inverseNorms:  y = c · (x Wᵀ + LoRA(x)) + bias + residual.
 * Dropout is on the input of all that c multiplies, but what the base computed by itself stays, as PEFT has it:
 * y = (x − d) Wᵀ + bias + residual + c · (d Wᵀ + LoRA(d)), d = dropout(x); one mask for all projections that are stacked.
 */
function recordDora(
  pass: ForwardPass,
  x: Tensor,
  tensors: LinearTensors & { dora: NonNullable<LinearTensors['dora']> },
  { bias, residual, inFloat32 }: Sum,
): Tensor {
  const { tape, options } = pass
  const { magnitude, inverseNorms } = tensors.dora
  const nothing = { bias: null, residual: null, inFloat32 }
  const { dropoutSeed, activation } = options
  const p = tensors.lora?.dropout ?? 0
  const scaled = (product: Tensor, sum: Omit<Sum, 'inFloat32'>, dtype: DType) => {
    const y = { dtype, shape: product.shape }
    return present(tape.apply('scaleColumns', { x: product, magnitude, inverseNorms, ...sum }, {}, { y }).y)
  }
  if (!dropoutSeed || p === 0) {
    const product = recordProduct(pass, x, tensors, nothing, 0)
    return scaled(product, { bias, residual }, inFloat32 ? 'float32' : activation)
  }
  const dropped = (rest: 0 | 1) =>
    present(tape.apply('dropout', { x, dropoutSeed }, { dropout: p, seed: tensors.place, rest }, { y: x }).y)
  const kept = recordProduct(
    pass,
    dropped(1),
    { ...tensors, lora: null },
    { bias, residual, inFloat32: true },
    0,
  )
  const product = recordProduct(pass, dropped(0), tensors, { ...nothing, inFloat32: true }, 0)
  const sum = scaled(product, { bias: null, residual: kept }, 'float32')
  if (inFloat32) return sum
  return present(tape.apply('cast', { x: sum }, {}, { y: { dtype: activation, shape: sum.shape } }).y)
}
