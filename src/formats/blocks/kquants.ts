/**
 * ggml's k-quants: 256 values a block, with a scale (and a minimum) for every 16 or 32 of them, themselves
 * quantised:  y = d s x − dmin m  (Q2_K, Q4_K, Q5_K),  y = d s x  (Q3_K, Q6_K),  y = d x  (Q8_K).
 * Source: dequantize_row_*_K of ggml-quants.c, https://github.com/ggml-org/ggml
 */
import { halfAt } from './simple-quants.ts'

/** Scale i of eight 6-bit scales and minima in 12 bytes; its minimum is what `packedMinimum` gives. */
function packedScale(bytes: Uint8Array, at: number, i: number): number {
  return i < 4 ? bytes[at + i] & 63 : (bytes[at + i + 4] & 15) | ((bytes[at + i - 4] >> 6) << 4)
}

function packedMinimum(bytes: Uint8Array, at: number, i: number): number {
  return i < 4 ? bytes[at + i + 4] & 63 : (bytes[at + i + 4] >> 4) | ((bytes[at + i] >> 6) << 4)
}

/** Q4_K: d, dmin, 12 bytes of scales, 128 of nibbles: the low ones are 32 values, the high ones the next 32. */
export function dequantizeQ4K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 144, to += 256) {
    const d = halfAt(bytes, at)
    const dmin = halfAt(bytes, at + 2)
    for (let i = 0; i < 8; i++) {
      const scale = d * packedScale(bytes, at + 4, i)
      const minimum = dmin * packedMinimum(bytes, at + 4, i)
      const from = at + 16 + 32 * (i >> 1)
      const shift = 4 * (i & 1)
      const start = to + 32 * i
      for (let l = 0; l < 32; l++) out[start + l] = scale * ((bytes[from + l] >> shift) & 15) - minimum
    }
  }
}

/** Q5_K: as Q4_K, with the fifth bits in 32 bytes before: bit i of byte l belongs to value l of group i. */
export function dequantizeQ5K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 176, to += 256) {
    const d = halfAt(bytes, at)
    const dmin = halfAt(bytes, at + 2)
    for (let i = 0; i < 8; i++) {
      const scale = d * packedScale(bytes, at + 4, i)
      const minimum = dmin * packedMinimum(bytes, at + 4, i)
      const from = at + 48 + 32 * (i >> 1)
      const shift = 4 * (i & 1)
      const start = to + 32 * i
      for (let l = 0; l < 32; l++) {
        const fifth = ((bytes[at + 16 + l] >> i) & 1) << 4
        out[start + l] = scale * (((bytes[from + l] >> shift) & 15) | fifth) - minimum
      }
    }
  }
}

/** Q6_K: 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, d; x − 32 is stored. */
export function dequantizeQ6K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 210, to += 256) {
    const d = halfAt(bytes, at + 208)
    for (let i = 0; i < 8; i++) {
      // Groups of 32: four of them share 64 low and 32 high bytes.
      const half = i >> 2
      const low = at + 64 * half + 32 * (i & 1)
      const lowShift = i & 2 ? 4 : 0
      const high = at + 128 + 32 * half
      const highShift = 2 * (i & 3)
      for (let j = 0; j < 2; j++) {
        const scale = d * ((bytes[at + 192 + 2 * i + j] << 24) >> 24)
        const start = to + 32 * i
        for (let l = 16 * j; l < 16 * j + 16; l++) {
          const x = ((bytes[low + l] >> lowShift) & 15) | (((bytes[high + l] >> highShift) & 3) << 4)
          out[start + l] = scale * (x - 32)
        }
      }
    }
  }
}

/** Q2_K: 16 bytes of scale (low nibble) and minimum (high nibble), 64 of bit pairs, d, dmin. */
export function dequantizeQ2K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 84, to += 256) {
    const d = halfAt(bytes, at + 80)
    const dmin = halfAt(bytes, at + 82)
    for (let i = 0; i < 16; i++) {
      const packed = bytes[at + i]
      const scale = d * (packed & 15)
      const minimum = dmin * (packed >> 4)
      const from = at + 16 + 32 * (i >> 3) + 16 * (i & 1)
      const shift = i & 6
      const start = to + 16 * i
      for (let l = 0; l < 16; l++) out[start + l] = scale * ((bytes[from + l] >> shift) & 3) - minimum
    }
  }
}

/** Q3_K: 32 bytes of third bits, 64 of bit pairs, 12 of 6-bit scales, d; a third bit of 0 means −4. */
export function dequantizeQ3K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, to = 0; to < out.length; at += 110, to += 256) {
    const d = halfAt(bytes, at + 108)
    for (let i = 0; i < 16; i++) {
      const low = (bytes[at + 96 + (i & 7)] >> (i < 8 ? 0 : 4)) & 15
      const high = (bytes[at + 104 + (i & 3)] >> (2 * (i >> 2))) & 3
      const scale = d * ((low | (high << 4)) - 32)
      const column = 16 * (i & 1)
      const from = at + 32 + 32 * (i >> 3) + column
      const shift = i & 6
      const bit = i >> 1
      const start = to + 16 * i
      for (let l = 0; l < 16; l++) {
        const third = (bytes[at + column + l] >> bit) & 1
        out[start + l] = scale * (((bytes[from + l] >> shift) & 3) - (third === 1 ? 0 : 4))
      }
    }
  }
}

/** Q8_K: d as float32, 256 signed bytes, sums that are of no interest here. */
export function dequantizeQ8K(bytes: Uint8Array, out: Float32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0, to = 0; to < out.length; at += 292, to += 256) {
    const d = view.getFloat32(at, true)
    for (let l = 0; l < 256; l++) out[to + l] = d * ((bytes[at + 4 + l] << 24) >> 24)
  }
}
