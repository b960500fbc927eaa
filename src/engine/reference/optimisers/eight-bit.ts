import type { Kernel, Matrix } from '../kernel.ts'

/** Numbers that share a scale. */
const blockSize = 256

/** Numbers of an optimiser's state in 8 bits, four codes in an integer. */
interface Codes {
  codes: Matrix<Int32Array>
  scales: Matrix
  /** [256] what the codes stand for, ascending */
  map: Matrix
}

/**
 * AdamW with m and v in 8 bits: they are read, the step is adamw's, and each block of 256 is written again by the nearest codes of its
 * numbers over the largest magnitude of them.
 * Source: Dettmers et al. 2021, https://arxiv.org/abs/2110.02861, as bitsandbytes computes it
 *
 * hyper = [lr, β1, β2, eps, decay, c1, c2], c = 1 − β^step
 */
export const adamw8bit: Kernel<'adamw8bit'> = {
  forward({ parameters, gradients, mCodes, mScales, vCodes, vScales, mMap, vMap, stats, hyper }) {
    const [rate, beta1, beta2, eps, decay, correction1, correction2] = hyper.data
    const clip = stats?.data[1] ?? 1
    const mState = { codes: mCodes, scales: mScales, map: mMap }
    const vState = { codes: vCodes, scales: vScales, map: vMap }
    eachBlock(parameters.data.length, mScales.data.length, (block, start, length) => {
      const m = readBlock(mState, block)
      const v = readBlock(vState, block)
      for (let i = 0; i < length; i += 1) {
        const g = clip * gradients.data[start + i]
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g * g
        const step = (rate * (m[i] / correction1)) / (Math.sqrt(v[i] / correction2) + eps)
        parameters.data[start + i] = parameters.data[start + i] * (1 - rate * decay) - step
      }
      writeBlock(mState, block, m.fill(0, length))
      writeBlock(vState, block, v.fill(0, length))
    })
  },
  vjp: null,
}

/** Lion with m in 8 bits, held in the same way. hyper = [lr, β1, β2, decay] */
export const lion8bit: Kernel<'lion8bit'> = {
  forward({ parameters, gradients, mCodes, mScales, mMap, stats, hyper }) {
    const [rate, beta1, beta2, decay] = hyper.data
    const clip = stats?.data[1] ?? 1
    const state = { codes: mCodes, scales: mScales, map: mMap }
    eachBlock(parameters.data.length, mScales.data.length, (block, start, length) => {
      const m = readBlock(state, block)
      for (let i = 0; i < length; i += 1) {
        const g = clip * gradients.data[start + i]
        const direction = Math.sign(beta1 * m[i] + (1 - beta1) * g)
        m[i] = beta2 * m[i] + (1 - beta2) * g
        parameters.data[start + i] = parameters.data[start + i] * (1 - rate * decay) - rate * direction
      }
      writeBlock(state, block, m.fill(0, length))
    })
  },
  vjp: null,
}

/** Calls `work` for the blocks of so many numbers, as far as there are scales for them. */
function eachBlock(
  size: number,
  scales: number,
  work: (block: number, start: number, length: number) => void,
): void {
  for (let block = 0; block < Math.min(scales, Math.ceil(size / blockSize)); block += 1)
    work(block, block * blockSize, Math.min(blockSize, size - block * blockSize))
}

function readBlock({ codes, scales, map }: Codes, block: number): Float32Array {
  const scale = scales.data[block]
  return Float32Array.from(
    { length: blockSize },
    (_, i) => scale * map.data[(codes.data[(block * blockSize + i) >> 2] >> (8 * (i & 3))) & 255],
  )
}

function writeBlock({ codes, scales, map }: Codes, block: number, values: Float32Array): void {
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const inverse = Math.fround(1 / Math.max(scale, Math.fround(1e-38)))
  scales.data[block] = scale
  for (let i = 0; i < blockSize; i += 4) {
    let four = 0
    for (let k = 3; k >= 0; k -= 1)
      four = (four << 8) | nearest(map.data, Math.fround(values[i + k] * inverse))
    codes.data[(block * blockSize + i) >> 2] = four
  }
}

/** How many of the borders between neighbours in the map a value is above. */
function nearest(map: Float32Array, value: number): number {
  let code = 0
  for (let step = 128; step > 0; step >>= 1) {
    const border = code + step - 1
    if (Math.fround(Math.fround(map[border] + map[border + 1]) / 2) < value) code += step
  }
  return code
}
