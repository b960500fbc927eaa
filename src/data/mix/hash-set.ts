/** A set of hashes of 64 bits. */
export interface HashSet {
  readonly size: number
  /** Memory of the tables: at most 16 bytes a hash, beyond the first thousand. */
  readonly sizeBytes: number
  /** Whether a hash, in two halves of 32 bits, is new; it is in the set afterwards. */
  add(high: number, low: number): boolean
  has(high: number, low: number): boolean
}

const shardCount = 64
/** Of a table: filled to at most this, and grown by this, so that a hash takes 9 to 15 bytes. */
const fullest = 0.85
const growth = 1.5

interface Shard {
  /** [slot, half]; both halves 0 in a slot that is free. */
  slots: Uint32Array
  used: number
}

/** An empty set. Its tables grow one at a time, so that never two of the whole size are there. */
export function createHashSet(): HashSet {
  const shards = Array.from({ length: shardCount }, (): Shard => ({ slots: new Uint32Array(32), used: 0 }))
  return {
    get size() {
      return shards.reduce((sum, { used }) => sum + used, 0)
    },
    get sizeBytes() {
      return shards.reduce((sum, { slots }) => sum + slots.byteLength, 0)
    },
    add(high, low) {
      const shard = shards[high % shardCount]
      if (shard.used + 1 > (fullest * shard.slots.length) / 2) grow(shard)
      if (!insert(shard.slots, high, stored(high, low))) return false
      shard.used += 1
      return true
    },
    has(high, low) {
      const { slots } = shards[high % shardCount]
      return isAt(slots, slotFor(slots, high, stored(high, low)))
    },
  }
}

function grow(shard: Shard): void {
  const { slots } = shard
  const larger = new Uint32Array(2 * Math.ceil((slots.length / 2) * growth))
  for (let at = 0; at < slots.length; at += 2) if (isAt(slots, at)) insert(larger, slots[at], slots[at + 1])
  shard.slots = larger
}

/** Nothing is the mark of a free slot: this one hash shares the place of its neighbour. */
function stored(high: number, low: number): number {
  return high === 0 && low === 0 ? 1 : low
}

function isAt(slots: Uint32Array, at: number): boolean {
  return slots[at] !== 0 || slots[at + 1] !== 0
}

/** Where a hash is, or the first free slot from its own on. */
function slotFor(slots: Uint32Array, high: number, low: number): number {
  let at = 2 * (low % (slots.length / 2))
  while (isAt(slots, at) && (slots[at] !== high || slots[at + 1] !== low)) {
    at += 2
    if (at === slots.length) at = 0
  }
  return at
}

/** Puts a hash into its slot; false where it is there already. */
function insert(slots: Uint32Array, high: number, low: number): boolean {
  const at = slotFor(slots, high, low)
  if (isAt(slots, at)) return false
  slots[at] = high
  slots[at + 1] = low
  return true
}
