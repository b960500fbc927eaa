import { createHash } from 'node:crypto'

/** A hash of prepared examples, in their order. */
export interface DataHash {
  /** @param mask  1 = learn */
  add(ids: Int32Array, mask: Uint8Array): void
  /** Nothing is added afterwards. */
  digest(): string
}

/** Numbers that are hashed at once: many small pieces would cost more than their bytes. */
const heldNumbers = 1 << 16

/** SHA-256 of each example's length and tokens, where a learned token is written as −1 − id. */
export function createDataHash(): DataHash {
  const hash = createHash('sha256')
  const held = new Int32Array(heldNumbers)
  let used = 0
  const push = (value: number): void => {
    if (used === held.length) flush()
    held[used++] = value
  }
  function flush(): void {
    hash.update(held.subarray(0, used))
    used = 0
  }
  return {
    add(ids, mask) {
      push(ids.length)
      for (let i = 0; i < ids.length; i++) push(mask[i] === 0 ? ids[i] : -1 - ids[i])
    },
    digest() {
      flush()
      return `sha256:${hash.digest('hex')}`
    },
  }
}
