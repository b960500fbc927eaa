import { createNumpyRandom } from './numpy-random.ts'

/**
 * Shuffles what is too long to be held: a full buffer is put in random order, and half of it is given away before it is filled again.
 * The order is that of `IterableDataset.shuffle(seed, buffer_size=size)` of datasets 5.2, for one shard.
 *
 * @param size  items that are held
 */
export async function* shuffleBuffer<T>(
  items: AsyncIterable<T> | Iterable<T>,
  size: number,
  seed: number,
): AsyncGenerator<T> {
  const random = createNumpyRandom(seed)
  const kept = Math.floor(size / 2)
  let held: T[] = []
  for await (const item of items) {
    held.push(item)
    if (held.length < size) continue
    const order = random.permutation(size)
    const current = held
    held = Array.from(order.subarray(size - kept), (at) => current[at])
    for (const at of order.subarray(0, size - kept)) yield current[at]
  }
  for (const at of random.permutation(held.length)) yield held[at]
}
