import type { Kernel } from './kernel.ts'

/**
 * Copies beginnings of sequences from slot to slot of a key and value cache:
 * cache[slots[i], p] = cache[sources[i], p] for p < counts[i].
 *
 * sources, slots and counts [n], caches [S, C, width]
 */
export const copySlots: Kernel<'copySlots'> = {
  forward({ sources, slots, counts, keyCache, valueCache }) {
    const [, capacity, width] = keyCache.shape
    const size = capacity * width
    for (const { data } of [keyCache, valueCache])
      sources.data.forEach((source, i) =>
        data.copyWithin(slots.data[i] * size, source * size, source * size + counts.data[i] * width),
      )
  },
  vjp: null,
}
