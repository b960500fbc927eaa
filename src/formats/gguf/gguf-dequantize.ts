import { FettleError } from '../../error.ts'
import { bfloat16ToFloat32, float16ToFloat32 } from '../../float16.ts'
import { blockDecoders, ggufTypes } from '../blocks/index.ts'
import type { Dequantizer, GgufTypeName } from '../blocks/index.ts'
import type { GgufTensor } from './gguf.ts'
import { asWords, readTensorBytes, toFloat32 } from '../tensor-bytes.ts'

/** Total, so that a new type must say whether it can be read. */
const dequantizers: { readonly [K in GgufTypeName]: Dequantizer | undefined } = {
  F32: (bytes, out) => out.set(toFloat32(bytes, 'F32')),
  F16: (bytes, out) => void float16ToFloat32(asWords(bytes), out),
  BF16: (bytes, out) => void bfloat16ToFloat32(asWords(bytes), out),
  ...blockDecoders,
  Q8_1: undefined,
  IQ2_XXS: undefined,
  IQ2_XS: undefined,
  IQ3_XXS: undefined,
  IQ1_S: undefined,
  IQ3_S: undefined,
  IQ2_S: undefined,
  IQ1_M: undefined,
  TQ1_0: undefined,
  TQ2_0: undefined,
  I8: undefined,
  I16: undefined,
  I32: undefined,
  I64: undefined,
  F64: undefined,
}

/** The types that fettle can read. */
export const readableGgufTypes: readonly string[] = Object.entries(dequantizers).flatMap(([name, known]) =>
  known === undefined ? [] : [name],
)

/**
 * The numbers that quantised bytes stand for. Any whole number of blocks will do, so a large tensor can be
 * turned piece by piece.
 *
 * @param out  as long as there are values; made when not given
 * @throws FettleError for types that fettle cannot read
 */
export function dequantize(
  bytes: Uint8Array,
  type: GgufTypeName,
  out: Float32Array = new Float32Array(valuesIn(bytes.byteLength, type)),
): Float32Array {
  const dequantizer = dequantizers[type]
  const values = valuesIn(bytes.byteLength, type)
  if (dequantizer === undefined)
    throw new FettleError({
      place: 'GGUF tensor',
      found: `type ${type}`,
      expected: readableGgufTypes.join(', '),
      cure: 'Convert the model to Q8_0, Q4_K or BF16 with llama-quantize.',
    })
  if (!Number.isInteger(values) || out.length !== values)
    throw new FettleError({
      place: `GGUF tensor of type ${type}`,
      found: `${bytes.byteLength} bytes for ${out.length} values`,
      expected: `${ggufTypes[type].blockBytes} bytes for every ${ggufTypes[type].blockSize} values`,
    })
  dequantizer(bytes, out)
  return out
}

function valuesIn(byteLength: number, type: GgufTypeName): number {
  return (byteLength / ggufTypes[type].blockBytes) * ggufTypes[type].blockSize
}

/** Values turned at a time: small enough that the bytes stay in the processor's cache. */
const valuesAtOnce = 1 << 20

/**
 * Reads a tensor as float32, in pieces, so that beside the result only little memory is used.
 *
 * @returns row-major values of `tensor.shape`
 */
export async function readGgufFloat32(
  tensor: GgufTensor,
  out: Float32Array = new Float32Array(valuesIn(tensor.byteLength, tensor.type)),
): Promise<Float32Array> {
  const { blockSize, blockBytes } = ggufTypes[tensor.type]
  for (let done = 0; done < out.length; done += valuesAtOnce) {
    const values = Math.min(valuesAtOnce, out.length - done)
    const bytes = await readTensorBytes({
      path: tensor.path,
      offset: tensor.offset + (done / blockSize) * blockBytes,
      byteLength: (values / blockSize) * blockBytes,
    })
    dequantize(bytes, tensor.type, out.subarray(done, done + values))
  }
  return out
}
