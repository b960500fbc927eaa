import { blockDecoders, ggufTypes } from '../formats/blocks/index.ts'
import type { GgufTypeName } from '../formats/blocks/index.ts'
import { float16ToNumber } from '../float16.ts'

/**
 * Types of blocks that a matrix can be held in as they lie in a file: those of ggml, and two for what GPTQ and AWQ store, whose zero points
 * are whole numbers: `affine4` and `affine8`, value = d (x − z), as half d, uint16 z and 32 codes. Formulas and layouts: native/blocks.h.
 */
const inFiles = ['Q8_0', 'Q4_0', 'Q4_1', 'Q4_K', 'Q6_K', 'IQ4_NL', 'MXFP4'] as const satisfies GgufTypeName[]

export type BlockType = (typeof inFiles)[number] | 'affine4' | 'affine8'

/** Numbers of a block, and the bytes that they take. In the order of native/tensor.h. */
export const blockTypes: { readonly [T in BlockType]: { blockSize: number; blockBytes: number } } = {
  Q8_0: ggufTypes.Q8_0,
  Q4_0: ggufTypes.Q4_0,
  Q4_1: ggufTypes.Q4_1,
  Q4_K: ggufTypes.Q4_K,
  Q6_K: ggufTypes.Q6_K,
  IQ4_NL: ggufTypes.IQ4_NL,
  MXFP4: ggufTypes.MXFP4,
  affine4: { blockSize: 32, blockBytes: 20 },
  affine8: { blockSize: 32, blockBytes: 36 },
}

export function isBlockType(type: string): type is BlockType {
  return Object.hasOwn(blockTypes, type)
}

/** Bytes of a row of so many numbers. */
export function rowBytes(type: BlockType, columns: number): number {
  const { blockSize, blockBytes } = blockTypes[type]
  return (columns / blockSize) * blockBytes
}

/** The numbers of whole blocks. */
export function decodeBlocks(bytes: Uint8Array, type: BlockType): Float32Array {
  const { blockSize, blockBytes } = blockTypes[type]
  const values = new Float32Array((bytes.length / blockBytes) * blockSize)
  decoders[type](bytes, values)
  return values
}

const decoders: { readonly [T in BlockType]: (bytes: Uint8Array, out: Float32Array) => void } = {
  ...blockDecoders,
  affine4: (bytes, out) => decodeAffine(bytes, out, true),
  affine8: (bytes, out) => decodeAffine(bytes, out, false),
}

function decodeAffine(bytes: Uint8Array, out: Float32Array, isFour: boolean): void {
  let at = 0
  for (let to = 0; to < out.length; to += 32) {
    const d = float16ToNumber(bytes[at] | (bytes[at + 1] << 8))
    const zero = bytes[at + 2] | (bytes[at + 3] << 8)
    at += 4
    for (let j = 0; j < 32; j += 1) {
      const byte = bytes[isFour ? at + (j % 16) : at + j]
      const code = isFour ? (j < 16 ? byte & 15 : byte >> 4) : byte
      out[to + j] = d * (code - zero)
    }
    at += isFour ? 16 : 32
  }
}
