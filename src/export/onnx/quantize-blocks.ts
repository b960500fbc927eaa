import { float16ToNumber, numberToFloat16 } from '../../float16.ts'

/** Values that share a scale, one behind the other in a row. */
export const blockSize = 32

/** Rows of numbers as MatMulNBits reads them: number i of a block is (code i − 2^(bits − 1)) · scale. */
export interface QuantizedRows {
  /** [rows, blocks, blockSize · bits / 8]; of 4 bits two in a byte, the first in its low half. */
  codes: Uint8Array
  /** [rows, blocks] */
  scales: Float32Array
}

/**
 * Numbers in blocks of 8 or 4 bits: of 4 the number that is farthest from zero becomes the lowest code, as in onnxruntime's own quantiser. A
 * scale of the smallest squared error was no better: on 902 tokens of SmolLM2 the divergence was 0.231 nats with it, 0.207 without.
 *
 * @param values  whole blocks
 * @param scaleType  what the scales are stored in: codes are chosen for what is left of them
 */
export function quantizeBlocks(
  values: Float32Array,
  bits: 4 | 8,
  scaleType: 'float32' | 'float16',
): QuantizedRows {
  const blocks = values.length / blockSize
  const half = 1 << (bits - 1)
  const scales = new Float32Array(blocks)
  const codes = new Uint8Array((values.length * bits) / 8)
  for (let block = 0; block < blocks; block += 1) {
    const start = block * blockSize
    const peak = peakOf(values, start)
    const scale = peak / (bits === 8 ? -127 : -half)
    const stored = scaleType === 'float32' ? Math.fround(scale) : float16ToNumber(numberToFloat16(scale))
    scales[block] = stored
    const inverse = stored === 0 ? 0 : 1 / stored
    const code = (i: number) => half + Math.max(-half, Math.min(half - 1, Math.round(values[i] * inverse)))
    const end = start + blockSize
    if (bits === 8) for (let i = start; i < end; i += 1) codes[i] = code(i)
    else for (let i = start; i < end; i += 2) codes[i / 2] = code(i) | (code(i + 1) << 4)
  }
  return { codes, scales }
}

/** The number that is farthest from zero. */
function peakOf(values: Float32Array, start: number): number {
  let peak = 0
  for (let i = start; i < start + blockSize; i += 1)
    if (Math.abs(values[i]) > Math.abs(peak)) peak = values[i]
  return peak
}
