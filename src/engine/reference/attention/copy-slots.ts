import type { Kernel } from '../kernel.ts'

/**
 * Copies beginnings of sequences from slot to slot of a cache: cache[slots[i], p] = cache[sources[i], p] for p < counts[i].
 *
 * sources, slots and counts [n], cache [S, C, width]
 */
export const copySlots: Kernel<'copySlots'> = {
  forward({ sources, slots, counts, cache }) {
    const [, capacity, width] = cache.shape
    const size = capacity * width
    sources.data.forEach((source, i) =>
      cache.data.copyWithin(slots.data[i] * size, source * size, source * size + counts.data[i] * width),
    )
  },
  vjp: null,
}
