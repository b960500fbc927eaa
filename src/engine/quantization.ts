import { bfloat16ToFloat32, float32ToBfloat16 } from '../float16.ts'

/**
 * Frozen weights in 8 and 4 bits, with the values that bitsandbytes gives them (load_in_8bit, load_in_4bit):
 *
 * - `int8`        one scale a row, absmax / 127;  code = w · (1 / absmax · 127) rounded to even;  value = code · scale
 * - `nf4`, `fp4`  blocks of 64 numbers along the flattened matrix, scale = absmax;  code = the nearest of 16 fixed
 *                 numbers to w / absmax;  value = number · absmax
 *
 * All of it in float32.
 * Source: Dettmers et al. 2022, https://arxiv.org/abs/2208.07339, and 2023, https://arxiv.org/abs/2305.14314
 */
export const quantizations = ['int8', 'nf4', 'fp4'] as const satisfies Quantization[]

/** A type of quantised weights, by bitsandbytes' name. */
export type Quantization = 'int8' | 'nf4' | 'fp4'

/**
 * A form in which an engine holds a frozen matrix. `bfloat12` is bfloat16 in 12 bits, without any rounding of bfloat16 numbers: those
 * of a trained matrix have so few exponents that 4 bits name one. `blocks` is as the parts are: see block-types.ts.
 */
export type WeightForm = Quantization | 'bfloat12' | 'blocks'

/** What activations may be rounded to where they meet int8 weights, so that the product is one of integers. */
export const activationQuantizations = ['int8'] as const satisfies ActivationQuantization[]

/** A type of rounded activations. */
export type ActivationQuantization = 'int8'

/** Numbers that share a scale in 4 bits. */
export const fourBitBlock = 64

/** What the 16 codes stand for; FP4's are not in order: sign, two bits of exponent, one of mantissa. */
export const fourBitNumbers: { readonly [K in 'nf4' | 'fp4']: Float32Array } = {
  nf4: Float32Array.from([
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ]),
  fp4: Float32Array.from([0, 0.0625, 8, 12, 4, 6, 2, 3, -0, -0.0625, -8, -12, -4, -6, -2, -3], (x) => x / 12),
}

/** Codes with the scales of their blocks. */
export interface Quantized {
  /** One code a number: signed bytes, or 0 to 15. */
  codes: Int8Array | Uint8Array
  scales: Float32Array
}

/** Quantises the numbers of one matrix, row by row [rows, columns]. */
export function quantize(values: Float32Array, columns: number, type: Quantization): Quantized {
  return type === 'int8' ? quantizeBytes(values, columns) : quantizeFourBits(values, type)
}

function quantizeBytes(values: Float32Array, columns: number): Quantized {
  const codes = new Int8Array(values.length)
  const scales = new Float32Array(values.length / columns)
  scales.forEach((_, row) => {
    const from = row * columns
    const absmax = absmaxOf(values, from, from + columns)
    const factor = Math.fround(Math.fround(1 / Math.max(absmax, smallest)) * 127)
    for (let i = from; i < from + columns; i += 1) codes[i] = roundToEven(Math.fround(values[i] * factor))
    scales[row] = absmax / 127
  })
  return { codes, scales }
}

function quantizeFourBits(values: Float32Array, type: 'nf4' | 'fp4'): Quantized {
  return { codes: codesOfBlocks(values, type), scales: blockMaxima(values) }
}

/** The scale of each block of 64 numbers: the largest magnitude in it. */
export function blockMaxima(values: Float32Array): Float32Array {
  return Float32Array.from({ length: Math.ceil(values.length / fourBitBlock) }, (_, block) =>
    absmaxOf(values, block * fourBitBlock, Math.min(values.length, (block + 1) * fourBitBlock)),
  )
}

/** The code of each number in blocks of 64: that of the nearest of 16 to its part of the block's largest magnitude. */
export function codesOfBlocks(values: Float32Array, type: 'nf4' | 'fp4'): Uint8Array {
  const numbers = fourBitNumbers[type]
  const order = [...numbers.keys()].toSorted((a, b) => numbers[a] - numbers[b])
  const bounds = order.slice(1).map((code, i) => Math.fround(numbers[order[i]] + numbers[code]) / 2)
  const codes = new Uint8Array(values.length)
  for (let from = 0; from < values.length; from += fourBitBlock) {
    const to = Math.min(values.length, from + fourBitBlock)
    const inverse = Math.fround(1 / Math.max(absmaxOf(values, from, to), smallest))
    for (let i = from; i < to; i += 1) {
      const scaled = Math.fround(values[i] * inverse)
      let place = 0
      while (place < bounds.length && scaled > bounds[place]) place += 1
      codes[i] = order[place]
    }
  }
  return codes
}

/** The numbers that stay of a matrix [rows, columns] when it is held in that form. */
export function roundThrough(values: Float32Array, columns: number, type: WeightForm): Float32Array {
  if (type === 'blocks') return values
  if (type === 'bfloat12') return bfloat16ToFloat32(float32ToBfloat16(values))
  const { codes, scales } = quantize(values, columns, type)
  const numbers = type === 'int8' ? null : fourBitNumbers[type]
  const perScale = numbers ? fourBitBlock : columns
  return Float32Array.from(
    codes,
    (code, i) => (numbers ? numbers[code] : code) * scales[Math.floor(i / perScale)],
  )
}

/** A block of zeros has a scale of zero, and must not divide by it. */
const smallest = Math.fround(1e-38)

function absmaxOf(values: Float32Array, from: number, to: number): number {
  let largest = 0
  for (let i = from; i < to; i += 1) largest = Math.max(largest, Math.abs(values[i]))
  return largest
}

function roundToEven(x: number): number {
  const rounded = Math.round(x)
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}
