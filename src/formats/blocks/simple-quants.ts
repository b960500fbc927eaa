/**
 * ggml's types with one scale a block. d and m are float16, x the stored numbers:
 *   Q4_0  y = d (x − 8)      Q4_1  y = d x + m      x: 4 bits
 *   Q5_0  y = d (x − 16)     Q5_1  y = d x + m      x: 5 bits, the fifth ones in a word of their own
 *   Q8_0  y = d x                                   x: signed bytes
 * The low halves of a block's bytes are its first 16 values, the high halves its last 16.
 * Source: dequantize_row_* of ggml-quants.c, https://github.com/ggml-org/ggml
 */
import { float16ToNumber } from '../../float16.ts'

/** A float16 at an index of the bytes. */
export function halfAt(bytes: Uint8Array, index: number): number {
  return float16ToNumber(bytes[index] | (bytes[index + 1] << 8))
}

/** Q4_0, or Q4_1 when the block has a minimum. */
export function dequantizeQ4(bytes: Uint8Array, out: Float32Array, hasMinimum: boolean): void {
  let at = 0
  for (let to = 0; to < out.length; to += 32) {
    const d = halfAt(bytes, at)
    const m = hasMinimum ? halfAt(bytes, at + 2) : -8 * d
    at += hasMinimum ? 4 : 2
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + j]
      out[to + j] = d * (pair & 15) + m
      out[to + j + 16] = d * (pair >> 4) + m
    }
    at += 16
  }
}

/** Q5_0, or Q5_1 when the block has a minimum. */
export function dequantizeQ5(bytes: Uint8Array, out: Float32Array, hasMinimum: boolean): void {
  let at = 0
  for (let to = 0; to < out.length; to += 32) {
    const d = halfAt(bytes, at)
    const m = hasMinimum ? halfAt(bytes, at + 2) : -16 * d
    at += hasMinimum ? 4 : 2
    const high = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    at += 4
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + j]
      out[to + j] = d * ((pair & 15) | (((high >>> j) & 1) << 4)) + m
      out[to + j + 16] = d * ((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m
    }
    at += 16
  }
}

/** Q8_0. */
export function dequantizeQ8(bytes: Uint8Array, out: Float32Array): void {
  let at = 0
  for (let to = 0; to < out.length; to += 32) {
    const d = halfAt(bytes, at)
    at += 2
    for (let j = 0; j < 32; j++) out[to + j] = d * ((bytes[at + j] << 24) >> 24)
    at += 32
  }
}

/** IQ4_NL and IQ4_XS: 4-bit codes for unevenly spaced values. */
const iq4Values = new Int8Array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])

/** MXFP4: 4-bit floats (1 sign, 2 exponent, 1 mantissa), doubled so that they are whole. */
const mxfp4Values = new Int8Array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])

function lookUp(values: Int8Array, d: number, bytes: Uint8Array, at: number, out: Float32Array, to: number) {
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + j]
    out[to + j] = d * values[pair & 15]
    out[to + j + 16] = d * values[pair >> 4]
  }
}

/** IQ4_NL: y = d · value[x]. */
export function dequantizeIq4Nl(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 18, to += 32)
    lookUp(iq4Values, halfAt(bytes, at), bytes, at + 2, out, to)
}

/** IQ4_XS: y = d (s − 32) · value[x], with a 6-bit s for every 32 values. */
export function dequantizeIq4Xs(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 136, to += 256) {
    const d = halfAt(bytes, at)
    const high = bytes[at + 2] | (bytes[at + 3] << 8)
    for (let i = 0; i < 8; i++) {
      const low = (bytes[at + 4 + (i >> 1)] >> (4 * (i & 1))) & 15
      const s = low | (((high >> (2 * i)) & 3) << 4)
      lookUp(iq4Values, d * (s - 32), bytes, at + 8 + 16 * i, out, to + 32 * i)
    }
  }
}

/** MXFP4: y = 2^(e − 128) · value[x], with e a byte (the values are doubled, hence 128 and not 127). */
export function dequantizeMxfp4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 17, to += 32)
    lookUp(mxfp4Values, 2 ** (bytes[at] - 128), bytes, at + 1, out, to)
}
