import { noiseAt } from '../dropout.ts'
import type { Kernel } from './kernel.ts'

/** y = x + magnitude · u(seed, element). x [M, H] → y [M, H]; x' = y', which the tape passes on. */
export const addNoise: Kernel<'addNoise'> = {
  forward({ x, magnitude, seed }, { y }) {
    for (let i = 0; i < x.data.length; i += 1)
      y.data[i] = x.data[i] + magnitude.data[0] * noiseAt(seed.data[0], i)
  },
  vjp: null,
}
