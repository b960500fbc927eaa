/**
 * 16-bit floats as bit patterns in a Uint16Array. Narrowing rounds to the nearest, ties to even; NaN stays
 * NaN, what is too large becomes infinity, as IEEE 754 and PyTorch have it.
 */

const oneFloat = new Float32Array(1)
const oneWord = new Uint32Array(oneFloat.buffer)

/** bfloat16 is the upper half of a float32: round(bits / 2^16). */
function roundToBfloat16(bits: number): number {
  const isNaN = (bits & 0x7fffffff) > 0x7f800000
  if (isNaN) return ((bits >>> 16) | 0x40) & 0xffff
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** float16 has 5 exponent bits (bias 15) and 10 of mantissa; `bits` are those of a float32. */
function roundToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
  // 65520 is half-way between the largest float16 and the next power of two.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) {
    const odd = (magnitude >>> 13) & 1
    return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13)
  }
  // Subnormal: a multiple of 2^-24. Adding 0.5 leaves exactly those bits, rounded by the hardware.
  oneWord[0] = magnitude
  oneFloat[0] = oneFloat[0] + 0.5
  return sign | (oneWord[0] - 0x3f000000)
}

let float16Table: Float32Array | undefined

/** All 65,536 values: 256 KiB that make widening one look-up. */
function float16Values(): Float32Array {
  if (float16Table !== undefined) return float16Table
  const table = new Float32Array(65_536)
  for (let bits = 0; bits < 65_536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1
    const exponent = (bits >> 10) & 31
    const mantissa = bits & 0x3ff
    if (exponent === 0) table[bits] = sign * mantissa * 2 ** -24
    else if (exponent === 31) table[bits] = mantissa === 0 ? sign * Infinity : NaN
    else table[bits] = sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
  }
  float16Table = table
  return table
}

/** The number that a float16 bit pattern stands for. */
export function float16ToNumber(bits: number): number {
  return float16Values()[bits & 0xffff]
}

/** The float16 bit pattern nearest to a number (which is rounded to float32 first). */
export function numberToFloat16(value: number): number {
  oneFloat[0] = value
  return roundToFloat16(oneWord[0])
}

/** The number that a bfloat16 bit pattern stands for. */
export function bfloat16ToNumber(bits: number): number {
  oneWord[0] = bits << 16
  return oneFloat[0]
}

/** The bfloat16 bit pattern nearest to a number (which is rounded to float32 first). */
export function numberToBfloat16(value: number): number {
  oneFloat[0] = value
  return roundToBfloat16(oneWord[0])
}

/** Widens float16 bit patterns; `out` may be given to avoid an allocation. */
export function float16ToFloat32(
  source: Uint16Array,
  out: Float32Array = new Float32Array(source.length),
): Float32Array {
  const table = float16Values()
  for (let i = 0; i < source.length; i++) out[i] = table[source[i]]
  return out
}

/** Widens bfloat16 bit patterns; `out` may be given to avoid an allocation. */
export function bfloat16ToFloat32(
  source: Uint16Array,
  out: Float32Array = new Float32Array(source.length),
): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let i = 0; i < source.length; i++) words[i] = source[i] << 16
  return out
}

/** Narrows to float16 bit patterns; `out` may be given to avoid an allocation. */
export function float32ToFloat16(
  source: Float32Array,
  out: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const words = new Uint32Array(source.buffer, source.byteOffset, source.length)
  for (let i = 0; i < words.length; i++) out[i] = roundToFloat16(words[i])
  return out
}

/** Narrows to bfloat16 bit patterns; `out` may be given to avoid an allocation. */
export function float32ToBfloat16(
  source: Float32Array,
  out: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const words = new Uint32Array(source.buffer, source.byteOffset, source.length)
  for (let i = 0; i < words.length; i++) out[i] = roundToBfloat16(words[i])
  return out
}
