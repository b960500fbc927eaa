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
 * Numbers in blocks of 8 or 4 bits.
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
  const scales = new Float32Array(blocks)
  const codes = new Uint8Array((values.length * bits) / 8)
  for (let block = 0; block < blocks; block += 1) {
    const start = block * blockSize
    const peak = peakOf(values, start)
    const scale = bits === 8 ? peak / -127 : bestScale(values, start, peak)
    const stored = scaleType === 'float32' ? Math.fround(scale) : float16ToNumber(numberToFloat16(scale))
    scales[block] = stored
    if (bits === 8) writeBytes(values, start, stored, codes)
    else writeNibbles(values, start, stored, codes)
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

/** What the peak may become: the lowest code reaches −8, the highest 7. */
const peakCodes = [-8, -7.5, -7, -6.5]

/** The scale with the smallest squared error: for codes q of numbers x that are rounded with a guess, Σ x q / Σ q². */
function bestScale(values: Float32Array, start: number, peak: number): number {
  if (peak === 0) return 0
  let best = 0
  let most = 0
  for (const code of peakCodes) {
    const inverse = code / peak
    let products = 0
    let squares = 0
    for (let i = start; i < start + blockSize; i += 1) {
      const q = Math.max(-8, Math.min(7, Math.round(values[i] * inverse)))
      products += values[i] * q
      squares += q * q
    }
    // The error is Σ x² − (Σ x q)² / Σ q².
    const explained = squares === 0 ? 0 : (products * products) / squares
    if (explained <= most) continue
    most = explained
    best = products / squares
  }
  return best
}

function writeBytes(values: Float32Array, start: number, scale: number, codes: Uint8Array): void {
  const inverse = scale === 0 ? 0 : 1 / scale
  for (let i = start; i < start + blockSize; i += 1)
    codes[i] = 128 + Math.max(-128, Math.min(127, Math.round(values[i] * inverse)))
}

function writeNibbles(values: Float32Array, start: number, scale: number, codes: Uint8Array): void {
  const inverse = scale === 0 ? 0 : 1 / scale
  const code = (i: number) => 8 + Math.max(-8, Math.min(7, Math.round(values[i] * inverse)))
  for (let i = start; i < start + blockSize; i += 2) codes[i / 2] = code(i) | (code(i + 1) << 4)
}
