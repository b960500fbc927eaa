import type { Kernel } from './kernel.ts'

/** y = value */
export const fill: Kernel<'fill'> = {
  forward(_, { y }, { value }) {
    y.data.fill(value)
  },
  vjp: null,
}
