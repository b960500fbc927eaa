/**
 * Numbers into ggml's k-quants Q4_K, Q5_K and Q6_K, 256 numbers a block; the formulas are beside their decoders in kquants.ts. For every 16 or 32
 * numbers a scale (and a minimum) is searched that leaves the smallest weighted square error; these are rounded to 6 or 8 bits, and the
 * numbers once more with what is left of them. The arithmetic is float32 step by step, as ggml's own (quantize_row_*_K_ref of
 * ggml-quants.c), so that the bytes are the same.
 */
import { float16ToNumber, numberToFloat16 } from '../../float16.ts'

const { fround, abs } = Math

/** Adding and taking away 1.5 · 2²³ leaves a float32 rounded to the nearest whole number, halves to even. */
const magic = 12_582_912
const nearest = (value: number) => fround(value + magic) - magic

/** Below it all numbers of a group count as zero. */
const tiny = 1e-15

/** Codes of a block, and those that a search tries. */
const codes = new Uint8Array(256)
const tried = new Uint8Array(32)
const weights = new Float32Array(32)
const scales = new Float32Array(16)
const minima = new Float32Array(8)

/** How a type with minima rounds: its largest code, and the ranges of codes that the search for a scale tries. */
interface Rounding {
  most: number
  attempts: Float32Array
}

/** Attempts from `first` beside the largest code on, by tenths. */
const attemptsOf = (most: number, first: number, count: number) =>
  Float32Array.from({ length: count }, (_, step) => fround(fround(fround(0.1) * step) + first) + most)

const inFour: Rounding = { most: 15, attempts: attemptsOf(15, -1, 21) }
const inFive: Rounding = { most: 31, attempts: attemptsOf(31, -0.5, 16) }

/** Q4_K. */
export function quantizeQ4K(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 256, at += 144) {
    encodeWithMinima(values, from, out, at, inFour)
    for (let pair = 0; pair < 4; pair += 1)
      for (let l = 0; l < 32; l += 1)
        out[at + 16 + 32 * pair + l] = codes[64 * pair + l] | (codes[64 * pair + 32 + l] << 4)
  }
}

/** Q5_K. */
export function quantizeQ5K(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 256, at += 176) {
    encodeWithMinima(values, from, out, at, inFive)
    out.fill(0, at + 16, at + 48)
    for (let pair = 0; pair < 4; pair += 1)
      for (let l = 0; l < 32; l += 1) {
        const [low, high] = [codes[64 * pair + l], codes[64 * pair + 32 + l]]
        out[at + 48 + 32 * pair + l] = (low & 15) | ((high & 15) << 4)
        out[at + 16 + l] |= ((low >> 4) << (2 * pair)) | ((high >> 4) << (2 * pair + 1))
      }
  }
}

/** d, dmin and the scales of a block; its codes are in `codes` then. */
function encodeWithMinima(
  values: Float32Array,
  from: number,
  out: Uint8Array,
  at: number,
  rounding: Rounding,
): void {
  let largestScale = 0
  let largestMinimum = 0
  for (let i = 0; i < 8; i += 1) {
    searchScaleAndMinimum(values, from + 32 * i, i, rounding)
    if (scales[i] > largestScale) largestScale = scales[i]
    if (minima[i] > largestMinimum) largestMinimum = minima[i]
  }
  const inverseScale = largestScale > 0 ? fround(63 / largestScale) : 0
  const inverseMinimum = largestMinimum > 0 ? fround(63 / largestMinimum) : 0
  const d = numberToFloat16(fround(largestScale / 63))
  const dmin = numberToFloat16(fround(largestMinimum / 63))
  putHalf(out, at, d)
  putHalf(out, at + 2, dmin)
  out.fill(0, at + 4, at + 16)
  for (let i = 0; i < 8; i += 1) {
    const scale = Math.min(63, nearest(fround(inverseScale * scales[i])))
    const minimum = Math.min(63, nearest(fround(inverseMinimum * minima[i])))
    putScale(out, at + 4, i, scale, minimum)
    const step = fround(float16ToNumber(d) * scale)
    encodeGroup(values, from + 32 * i, 32 * i, step, fround(float16ToNumber(dmin) * minimum), rounding.most)
  }
}

/** Scale i and its minimum among eight pairs of 6 bits in 12 bytes. */
function putScale(out: Uint8Array, at: number, i: number, scale: number, minimum: number): void {
  if (i < 4) {
    out[at + i] |= scale
    out[at + i + 4] |= minimum
    return
  }
  out[at + i + 4] = (scale & 15) | ((minimum & 15) << 4)
  out[at + i - 4] |= (scale >> 4) << 6
  out[at + i] |= (minimum >> 4) << 6
}

/** Codes of 32 numbers at a scale and a minimum; where the scale is zero those of the search stay. */
function encodeGroup(
  values: Float32Array,
  from: number,
  to: number,
  scale: number,
  minimum: number,
  most: number,
): void {
  if (scale === 0) return
  for (let l = 0; l < 32; l += 1) {
    const code = nearest(fround(fround(values[from + l] + minimum) / scale))
    codes[to + l] = code < 0 ? 0 : code > most ? most : code
  }
}

/**
 * The scale and the minimum of 32 numbers, y ≈ scale · code − minimum, by the least squares of each of some ways to round them, weighted
 * by √(mean y²) + |y|; they go to `scales[i]` and `minima[i]`, the codes to their place.
 */
function searchScaleAndMinimum(
  values: Float32Array,
  from: number,
  i: number,
  { most, attempts }: Rounding,
): void {
  let squares = 0
  for (let l = 0; l < 32; l += 1) squares = fround(squares + fround(values[from + l] * values[from + l]))
  const mean = fround(Math.sqrt(fround(squares / 32)))
  for (let l = 0; l < 32; l += 1) weights[l] = mean + abs(values[from + l])
  let lowest = values[from]
  let highest = lowest
  let sumW = weights[0]
  let sumX = fround(sumW * lowest)
  for (let l = 1; l < 32; l += 1) {
    const x = values[from + l]
    if (x < lowest) lowest = x
    if (x > highest) highest = x
    sumW = fround(sumW + weights[l])
    sumX = fround(sumX + fround(weights[l] * x))
  }
  if (lowest > 0) lowest = 0
  const to = 32 * i
  if (highest === lowest) {
    codes.fill(0, to, to + 32)
    scales[i] = 0
    minima[i] = -lowest
    return
  }
  const first = fround(most / fround(highest - lowest))
  let scale = fround(1 / first)
  let minimum = lowest
  let best = 0
  for (let l = 0; l < 32; l += 1) {
    const x = values[from + l]
    const rounded = nearest(fround(first * fround(x - lowest)))
    const code = rounded < 0 ? 0 : rounded > most ? most : rounded
    codes[to + l] = code
    const difference = fround(fround(fround(scale * code) + lowest) - x)
    best = fround(best + fround(weights[l] * fround(difference * difference)))
  }
  for (let attempt = 0; attempt < attempts.length; attempt += 1) {
    // From the best minimum so far.
    const inverse = fround(attempts[attempt] / fround(highest - minimum))
    let sumL = 0
    let sumL2 = 0
    let sumXl = 0
    for (let l = 0; l < 32; l += 1) {
      const x = values[from + l]
      const rounded = nearest(fround(inverse * fround(x - minimum)))
      const code = rounded < 0 ? 0 : rounded > most ? most : rounded
      tried[l] = code
      const weighted = fround(weights[l] * code)
      sumL = fround(sumL + weighted)
      sumL2 = fround(sumL2 + fround(weighted * code))
      sumXl = fround(sumXl + fround(weighted * x))
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL))
    if (!(determinant > 0)) continue
    let thisScale = fround(fround(fround(sumW * sumXl) - fround(sumX * sumL)) / determinant)
    let thisMinimum = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXl)) / determinant)
    if (thisMinimum > 0) {
      thisMinimum = 0
      thisScale = fround(sumXl / sumL2)
    }
    let error = 0
    for (let l = 0; l < 32; l += 1) {
      const difference = fround(fround(fround(thisScale * tried[l]) + thisMinimum) - values[from + l])
      error = fround(error + fround(weights[l] * fround(difference * difference)))
    }
    if (error < best) {
      codes.set(tried, to)
      best = error
      scale = thisScale
      minimum = thisMinimum
    }
  }
  scales[i] = scale
  minima[i] = -minimum
}

/** Q6_K. */
export function quantizeQ6K(values: Float32Array, out: Uint8Array): void {
  let at = 0
  for (let from = 0; from < values.length; from += 256, at += 210) {
    let largest = 0
    for (let i = 0; i < 16; i += 1) {
      scales[i] = searchScale(values, from + 16 * i, 16 * i)
      if (abs(scales[i]) > abs(largest)) largest = scales[i]
    }
    if (abs(largest) < tiny) {
      out.fill(0, at, at + 210)
      continue
    }
    const inverse = fround(-128 / largest)
    const half = numberToFloat16(fround(1 / inverse))
    const d = float16ToNumber(half)
    for (let i = 0; i < 16; i += 1) {
      const scale = Math.min(127, nearest(fround(inverse * scales[i])))
      out[at + 192 + i] = scale
      const step = fround(d * scale)
      if (step === 0) continue
      for (let l = 16 * i; l < 16 * i + 16; l += 1) {
        const code = nearest(fround(values[from + l] / step))
        codes[l] = (code < -32 ? -32 : code > 31 ? 31 : code) + 32
      }
    }
    for (let part = 0; part < 2; part += 1)
      for (let l = 0; l < 32; l += 1) {
        const k = 128 * part + l
        out[at + 64 * part + l] = (codes[k] & 15) | ((codes[k + 64] & 15) << 4)
        out[at + 64 * part + 32 + l] = (codes[k + 32] & 15) | ((codes[k + 96] & 15) << 4)
        out[at + 128 + 32 * part + l] =
          (codes[k] >> 4) |
          ((codes[k + 32] >> 4) << 2) |
          ((codes[k + 64] >> 4) << 4) |
          ((codes[k + 96] >> 4) << 6)
      }
    putHalf(out, at + 208, half)
  }
}

/** The scale of 16 numbers, y ≈ scale · code with codes from −32 to 31, by least squares weighted by y²; the codes go to their place. */
function searchScale(values: Float32Array, from: number, to: number): number {
  let farthest = 0
  let most = 0
  for (let l = from; l < from + 16; l += 1) {
    const magnitude = abs(values[l])
    if (magnitude > most) {
      most = magnitude
      farthest = values[l]
    }
  }
  if (most < tiny) {
    codes.fill(0, to, to + 16)
    return 0
  }
  let scale = 0
  let best = 0
  for (let attempt = 0; attempt < 19; attempt += 1) {
    // The plain one first, then −9 to 9 without 0.
    const step = attempt === 0 ? 0 : attempt < 10 ? attempt - 10 : attempt - 9
    const inverse =
      attempt === 0 ? fround(-32 / farthest) : fround(-fround(32 + fround(fround(0.1) * step)) / farthest)
    let sumXl = 0
    let sumL2 = 0
    for (let l = 0; l < 16; l += 1) {
      const x = values[from + l]
      const rounded = nearest(fround(inverse * x))
      const code = rounded < -32 ? -32 : rounded > 31 ? 31 : rounded
      tried[l] = code + 32
      const weight = fround(x * x)
      sumXl = fround(sumXl + fround(fround(weight * x) * code))
      sumL2 = fround(sumL2 + fround(fround(weight * code) * code))
    }
    const isFirst = attempt === 0
    if (!isFirst && !(sumL2 > 0 && fround(sumXl * sumXl) > fround(best * sumL2))) continue
    for (let l = 0; l < 16; l += 1) codes[to + l] = tried[l]
    scale = sumL2 === 0 ? 0 : fround(sumXl / sumL2)
    best = fround(scale * sumXl)
  }
  return scale
}

function putHalf(out: Uint8Array, at: number, half: number): void {
  out[at] = half & 255
  out[at + 1] = half >> 8
}
