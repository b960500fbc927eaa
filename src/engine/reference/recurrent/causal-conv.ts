import { activationOf } from '../activation.ts'
import type { Kernel, Matrix } from '../kernel.ts'

/**
 * Depthwise convolution over the tokens of each document, K taps a channel: with x = u, or x = b, c and v beside each other,
 * u = b · v, and f(z) = z or silu(z):
 * z_m = bias + Σ_k w_(K−1−k) u_(m−k) over k < K and m − k ≥ starts[m],  y = f(z), or c · f(z).
 * Backwards z' = y' · c · f'(z),  u'_m = Σ_k w_(K−1−k) z'_(m+k) over the tokens m + k of the same document,
 * w'_(K−1−k) = Σ_m z'_m u_(m−k),  bias' = Σ_m z'_m,  b' = u' v,  v' = u' b,  c' = y' f(z).
 * Sources: Gu and Dao 2023, https://arxiv.org/abs/2312.00752; between two gates: LFM2, https://arxiv.org/abs/2511.23404
 *
 * x [M, W] or [M, 3 W], starts [M], weight [K, W], bias [W] → y [M, W]
 */
export const causalConv: Kernel<'causalConv'> = {
  forward({ x, starts, weight, bias }, { y }, { parts, silu }) {
    const input = inputOf(x, parts)
    const f = pointOf(silu)
    for (let m = 0; m < x.rows; m += 1)
      for (let i = 0; i < y.columns; i += 1) {
        const z = convolve(weight, bias, i, m - starts.data[m], (k) => input.u(m - k, i))
        y.data[m * y.columns + i] = input.c(m, i) * f(z).value
      }
  },
  vjp({ x, starts, weight, bias }, { y: dy }, { x: dx, weight: dWeight, bias: dBias }, { parts, silu }) {
    const input = inputOf(x, parts)
    const f = pointOf(silu)
    const [taps, width] = weight.shape
    const isGated = parts === 3
    for (let m = 0; m < x.rows; m += 1)
      for (let i = 0; i < width; i += 1) {
        const before = m - starts.data[m]
        const { value, slope } = f(convolve(weight, bias, i, before, (k) => input.u(m - k, i)))
        const d = dy.data[m * width + i]
        const dz = d * input.c(m, i) * slope
        if (dx && isGated) dx.data[m * x.columns + width + i] += d * value
        if (dBias) dBias.data[i] += dz
        for (let k = 0; k < taps && k <= before; k += 1) {
          const tap = (taps - 1 - k) * width + i
          if (dWeight) dWeight.data[tap] += dz * input.u(m - k, i)
          if (!dx) continue
          const row = (m - k) * x.columns
          const du = dz * weight.data[tap]
          if (!isGated) dx.data[row + i] += du
          else {
            dx.data[row + i] += du * x.data[row + 2 * width + i]
            dx.data[row + 2 * width + i] += du * x.data[row + i]
          }
        }
      }
  },
}

/**
 * The same over tokens of slots, one after the other: u of token m goes to state[slots[m], positions[m] mod R], and what is
 * read are the K − 1 positions before, of which those below 0 are zero.
 *
 * x [M, W] or [M, 3 W], slots and positions [M], weight [K, W], bias [W], state [S, R, W] → y [M, W]
 */
export const cachedCausalConv: Kernel<'cachedCausalConv'> = {
  forward({ x, slots, positions, weight, bias, state }, { y }, { parts, silu }) {
    const input = inputOf(x, parts)
    const f = pointOf(silu)
    const [, ring, width] = state.shape
    for (let m = 0; m < x.rows; m += 1) {
      const position = positions.data[m] >>> 0
      const place = (k: number) => (slots.data[m] * ring + ((position - k) % ring)) * width
      for (let i = 0; i < width; i += 1) {
        const u = input.u(m, i)
        const z = convolve(weight, bias, i, position, (k) => (k === 0 ? u : state.data[place(k) + i]))
        y.data[m * width + i] = input.c(m, i) * f(z).value
        state.data[place(0) + i] = u
      }
    }
  },
  vjp: null,
}

/** What is convolved of channel i of token m, and what the result is multiplied by. */
function inputOf({ data, columns }: Matrix, parts: number) {
  if (parts !== 3) return { u: (m: number, i: number) => data[m * columns + i], c: () => 1 }
  const width = columns / 3
  return {
    u: (m: number, i: number) => data[m * columns + i] * data[m * columns + 2 * width + i],
    c: (m: number, i: number) => data[m * columns + width + i],
  }
}

function pointOf(silu: 0 | 1): (z: number) => { value: number; slope: number } {
  return silu === 1 ? activationOf(0) : (z) => ({ value: z, slope: 1 })
}

/** z of channel i, of a token with so many before it; u(k) is the value of the k-th token before it. */
function convolve(
  weight: Matrix,
  bias: Matrix | null,
  i: number,
  before: number,
  u: (k: number) => number,
): number {
  const [taps, width] = weight.shape
  let z = bias ? bias.data[i] : 0
  for (let k = 0; k < taps && k <= before; k += 1) z += weight.data[(taps - 1 - k) * width + i] * u(k)
  return z
}
