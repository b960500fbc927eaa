/**
 * Numbers into ggml's types with one scale a block, 32 numbers each; the formulas are beside their decoders in simple-quants.ts. The
 * arithmetic is float32 step by step, as ggml's own (quantize_row_*_ref of ggml-quants.c), so that the bytes are the same.
 */
import { numberToFloat16 } from '../../float16.ts'

const { fround } = Math

function putHalf(out: Uint8Array, at: number, value: number): void {
  const half = numberToFloat16(value)
  out[at] = half & 255
  out[at + 1] = half >> 8
}

/** Q8_0: d = max|y| / 127, x = y / d, to the nearest, halves away from zero. */
export function quantizeQ8(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 32) {
    let most = 0
    for (let j = from; j < from + 32; j += 1) most = Math.max(most, Math.abs(values[j]))
    const d = fround(most / 127)
    const inverse = d === 0 ? 0 : fround(1 / d)
    putHalf(out, at, d)
    for (let j = 0; j < 32; j += 1) {
      const x = fround(values[from + j] * inverse)
      out[at + 2 + j] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5)
    }
    at += 34
  }
}

/** The number with the largest magnitude, with its sign; of several the first. */
function farthest(values: Float32Array, from: number): number {
  let most = 0
  let found = 0
  for (let j = from; j < from + 32; j += 1) {
    const magnitude = Math.abs(values[j])
    if (magnitude > most) {
      most = magnitude
      found = values[j]
    }
  }
  return found
}

/** Q4_0: the number with the largest magnitude becomes −8 or is cut to 7: d = that / −8. */
export function quantizeQ4(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 32) {
    const d = fround(farthest(values, from) / -8)
    const inverse = d === 0 ? 0 : fround(1 / d)
    const code = (i: number) => Math.min(15, Math.trunc(fround(fround(values[from + i] * inverse) + 8.5)))
    putHalf(out, at, d)
    for (let j = 0; j < 16; j += 1) out[at + 2 + j] = code(j) | (code(j + 16) << 4)
    at += 18
  }
}

/** Q5_0: the same with −16, and the fifth bits in a word of their own. */
export function quantizeQ5(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 32) {
    const d = fround(farthest(values, from) / -16)
    const inverse = d === 0 ? 0 : fround(1 / d)
    const code = (i: number) => Math.min(31, Math.trunc(fround(fround(values[from + i] * inverse) + 16.5)))
    putHalf(out, at, d)
    putFives(out, at + 2, code)
    at += 22
  }
}

/** Q5_1: y = d x + m with m the smallest number and d = (largest − m) / 31. */
export function quantizeQ5WithMinimum(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 32) {
    let [least, most] = [values[from], values[from]]
    for (let j = from + 1; j < from + 32; j += 1) {
      if (values[j] < least) least = values[j]
      if (values[j] > most) most = values[j]
    }
    const d = fround(fround(most - least) / 31)
    const inverse = d === 0 ? 0 : fround(1 / d)
    const code = (i: number) => Math.trunc(fround(fround(fround(values[from + i] - least) * inverse) + 0.5))
    putHalf(out, at, d)
    putHalf(out, at + 2, least)
    putFives(out, at + 4, code)
    at += 24
  }
}

/** 32 codes of 5 bits: the fifth ones in a word, then the others. */
function putFives(out: Uint8Array, at: number, code: (i: number) => number): void {
  let high = 0
  for (let j = 0; j < 16; j += 1) {
    const [low, second] = [code(j), code(j + 16)]
    out[at + 4 + j] = (low & 15) | ((second & 15) << 4)
    high |= ((low >> 4) << j) | ((second >> 4) << (j + 16))
  }
  for (let i = 0; i < 4; i += 1) out[at + i] = (high >>> (8 * i)) & 255
}

/** The magnitudes of MXFP4's codes. */
const mxfp4Magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6]

/**
 * MXFP4: d = 2^(⌊log₂ max|y|⌋ − 2), x = the nearest magnitude of y / d, the smaller of equals, and the sign, also that of zero: numbers that
 * came out of MXFP4 stay what they were.
 */
export function quantizeMxfp4(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 32) {
    let most = 0
    for (let j = from; j < from + 32; j += 1) most = Math.max(most, Math.abs(values[j]))
    const exponent = most === 0 ? -127 : Math.max(-127, Math.floor(Math.log2(most)) - 2)
    const inverse = 2 ** -exponent
    const code = (i: number): number => {
      const value = values[from + i]
      const magnitude = Math.abs(value) * inverse
      let best = 0
      for (let k = 1; k < 8; k += 1)
        if (Math.abs(mxfp4Magnitudes[k] - magnitude) < Math.abs(mxfp4Magnitudes[best] - magnitude)) best = k
      return value < 0 || Object.is(value, -0) ? best | 8 : best
    }
    out[at] = exponent + 127
    for (let j = 0; j < 16; j += 1) out[at + 1 + j] = code(j) | (code(j + 16) << 4)
    at += 17
  }
}
