import type { Attributes } from '../../ops.ts'
import type { Kernel } from '../kernel.ts'

/**
 * Rotary position embedding. Pairs are (i, i + rotaryDim/2), as Hugging Face's rotate_half has them:
 * y[i] = x[i]·c − x[i + rotaryDim/2]·s,  y[i + rotaryDim/2] = x[i + rotaryDim/2]·c + x[i]·s.
 * A rotation's transpose is the rotation by the opposite angle, so the vjp is the same with −s.
 * Source: Su et al. 2021, https://arxiv.org/abs/2104.09864
 *
 * qkv [M, columns], positions [M], cos and sin [longest, rotaryDim/2] → y [M, columns]
 */
export const rope: Kernel<'rope'> = {
  forward({ qkv, positions, cos, sin }, { y }, shape) {
    y.data.set(qkv.data)
    rotateHeads(y.data, y.columns, positions.data, cos.data, sin.data, 1, shape)
  },
  vjp({ positions, cos, sin }, { y: dy }, { qkv: dqkv }, shape) {
    if (dqkv === null) return
    const rotated = dy.data.slice()
    rotateHeads(rotated, dy.columns, positions.data, cos.data, sin.data, -1, shape)
    for (let i = 0; i < rotated.length; i += 1) dqkv.data[i] += rotated[i]
  },
}

function rotateHeads(
  data: Float32Array,
  columns: number,
  positions: Int32Array,
  cos: Float32Array,
  sin: Float32Array,
  direction: 1 | -1,
  { headDim, rotaryDim, firstHead, heads }: Attributes<'rope'>,
): void {
  const half = rotaryDim / 2
  positions.forEach((position, m) => {
    for (let head = firstHead; head < firstHead + heads; head += 1) {
      const at = m * columns + head * headDim
      for (let i = 0; i < half; i += 1) {
        const c = cos[position * half + i]
        const s = direction * sin[position * half + i]
        const first = data[at + i]
        const second = data[at + half + i]
        data[at + i] = first * c - second * s
        data[at + half + i] = second * c + first * s
      }
    }
  })
}
