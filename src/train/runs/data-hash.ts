import { createHash, type Hash } from 'node:crypto'

/** A hash of prepared examples, in their order. */
export interface DataHash {
  /** @param mask  1 = learn */
  add(ids: Int32Array, mask: Uint8Array): void
  /** Nothing is added afterwards. */
  digest(): string
}

/** Numbers that are hashed at once: many small pieces would cost more than their bytes. */
const heldNumbers = 1 << 16

/** SHA-256 of two others: of each example's length and token ids (int32), and of its mask (a byte a token). */
export function createDataHash(): DataHash {
  const ids = piecewise(new Int32Array(heldNumbers))
  const masks = piecewise(new Uint8Array(heldNumbers))
  const length = new Int32Array(1)
  return {
    add(inputIds, mask) {
      length[0] = inputIds.length
      ids.add(length)
      ids.add(inputIds)
      masks.add(mask)
    },
    digest() {
      const both = createHash('sha256').update(ids.end().digest()).update(masks.end().digest())
      return `sha256:${both.digest('hex')}`
    },
  }
}

/** A hash that takes many small arrays. */
function piecewise(held: Int32Array | Uint8Array) {
  const hash = createHash('sha256')
  let used = 0
  const flush = (): void => {
    hash.update(held.subarray(0, used))
    used = 0
  }
  return {
    add(values: Int32Array | Uint8Array): void {
      if (values.length > held.length - used) flush()
      if (values.length > held.length) hash.update(values)
      else {
        held.set(values, used)
        used += values.length
      }
    },
    end(): Hash {
      flush()
      return hash
    },
  }
}
