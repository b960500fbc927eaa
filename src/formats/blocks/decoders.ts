import {
  dequantizeQ2K,
  dequantizeQ3K,
  dequantizeQ4K,
  dequantizeQ5K,
  dequantizeQ6K,
  dequantizeQ8K,
} from './kquants.ts'
import {
  dequantizeIq4Nl,
  dequantizeIq4Xs,
  dequantizeMxfp4,
  dequantizeQ4,
  dequantizeQ5,
  dequantizeQ8,
} from './simple-quants.ts'
import type { GgufTypeName } from './types.ts'

/** Turns whole blocks into numbers: out[i] = value i. */
export type Dequantizer = (bytes: Uint8Array, out: Float32Array) => void

/** The types of quantised blocks that fettle can read. */
export const blockDecoders = {
  Q4_0: (bytes, out) => dequantizeQ4(bytes, out, false),
  Q4_1: (bytes, out) => dequantizeQ4(bytes, out, true),
  Q5_0: (bytes, out) => dequantizeQ5(bytes, out, false),
  Q5_1: (bytes, out) => dequantizeQ5(bytes, out, true),
  Q8_0: dequantizeQ8,
  Q2_K: dequantizeQ2K,
  Q3_K: dequantizeQ3K,
  Q4_K: dequantizeQ4K,
  Q5_K: dequantizeQ5K,
  Q6_K: dequantizeQ6K,
  Q8_K: dequantizeQ8K,
  IQ4_NL: dequantizeIq4Nl,
  IQ4_XS: dequantizeIq4Xs,
  MXFP4: dequantizeMxfp4,
} as const satisfies { readonly [K in GgufTypeName]?: Dequantizer }
