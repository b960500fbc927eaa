import { quantizeQ4K, quantizeQ5K, quantizeQ6K } from './kquant-encoders.ts'
import {
  quantizeMxfp4,
  quantizeQ4,
  quantizeQ5,
  quantizeQ5WithMinimum,
  quantizeQ8,
} from './simple-encoders.ts'
import type { GgufTypeName } from './types.ts'

/** Turns numbers into whole blocks. */
export type Quantizer = (values: Float32Array, out: Uint8Array) => void

/** The types of quantised blocks that fettle writes. */
export const blockEncoders = {
  Q4_0: quantizeQ4,
  Q5_0: quantizeQ5,
  Q5_1: quantizeQ5WithMinimum,
  Q8_0: quantizeQ8,
  Q4_K: quantizeQ4K,
  Q5_K: quantizeQ5K,
  Q6_K: quantizeQ6K,
  MXFP4: quantizeMxfp4,
} as const satisfies { readonly [K in GgufTypeName]?: Quantizer }
