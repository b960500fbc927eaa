/** A set of whole numbers from 0 on, a bit each. */
export interface BitSet {
  add(value: number): void
  has(value: number): boolean
}

export function createBitSet(): BitSet {
  let bits = new Uint8Array(1024)
  return {
    add(value) {
      const at = Math.floor(value / 8)
      if (at >= bits.length) {
        const larger = new Uint8Array(2 * (at + 1))
        larger.set(bits)
        bits = larger
      }
      bits[at] |= 1 << (value % 8)
    },
    has: (value) => ((bits[Math.floor(value / 8)] ?? 0) & (1 << (value % 8))) !== 0,
  }
}
