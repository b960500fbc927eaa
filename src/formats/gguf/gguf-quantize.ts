import { FettleError } from '../../error.ts'
import { float32ToBfloat16, float32ToFloat16 } from '../../float16.ts'
import { blockEncoders, ggufTypes, type GgufTypeName } from '../blocks/index.ts'

/** The types that fettle writes. */
export type WrittenGgufType = 'F32' | 'F16' | 'BF16' | keyof typeof blockEncoders

/**
 * The bytes of numbers in a type: the way back of `dequantize`, with the bytes that llama.cpp writes.
 *
 * @param values  of whole blocks
 */
export function quantize(values: Float32Array, type: WrittenGgufType): Uint8Array {
  switch (type) {
    case 'F32':
      return bytesOf(values)
    case 'F16':
      return bytesOf(float32ToFloat16(values))
    case 'BF16':
      return bytesOf(float32ToBfloat16(values))
    default: {
      const { blockSize, blockBytes } = ggufTypes[type satisfies GgufTypeName]
      if (values.length % blockSize !== 0)
        throw new FettleError({
          place: `type ${type}`,
          found: `${values.length} numbers`,
          expected: `a multiple of ${blockSize}`,
        })
      const bytes = new Uint8Array((values.length / blockSize) * blockBytes)
      blockEncoders[type](values, bytes)
      return bytes
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
