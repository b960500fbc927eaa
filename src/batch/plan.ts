import { pack, type PackingStrategy, type Piece } from './packing.ts'
import { shuffledOrder } from './shuffle.ts'

/** What the order of an epoch follows from. */
export interface EpochOptions {
  /** Tokens of each example. */
  lengths: ArrayLike<number>
  seed: number
  /** 0 for the first. */
  epoch: number
  shuffle: boolean
  /** A strategy, or false for one example a row; true is `bfd`. */
  packing: boolean | PackingStrategy
  maxLength: number
  perDeviceBatchSize: number
  gradientAccumulation: number
}

/** Which examples each step of an epoch sees. */
export interface EpochPlan {
  /** Optimiser steps. */
  readonly steps: number
  /** Rows: packs, or single examples. */
  readonly rows: number
  readonly tokens: number
  /** Tokens of a full row that are used, 0 … 1. */
  readonly fill: number
  /** The micro-batches of a step, each the documents of its rows in order. */
  step(index: number): Piece[][]
}

/**
 * Plans an epoch: shuffle, pack, shuffle the packs, group them. A pure function of its options, so that a resumed run
 * goes on in the same order. The last step may be smaller; every example comes up once.
 */
export function planEpoch(options: EpochOptions): EpochPlan {
  const { lengths, seed, epoch, shuffle, maxLength, perDeviceBatchSize, gradientAccumulation } = options
  const count = lengths.length
  const order = shuffle
    ? shuffledOrder(count, seed, 2 * epoch)
    : Int32Array.from({ length: count }, (_, i) => i)
  const rows = rowsOf(order, options)
  // Best fit leaves packs of long examples first: mixed again, or the last steps would see only short ones.
  const rowOrder =
    shuffle && options.packing !== false ? shuffledOrder(rows.count, seed, 2 * epoch + 1) : undefined
  const rowAt = (index: number) => rows.get(rowOrder === undefined ? index : rowOrder[index])
  const rowsPerStep = perDeviceBatchSize * gradientAccumulation
  return {
    steps: Math.ceil(rows.count / rowsPerStep),
    rows: rows.count,
    tokens: rows.tokens,
    fill: rows.count === 0 ? 0 : rows.tokens / (rows.count * maxLength),
    step(index) {
      const first = index * rowsPerStep
      const end = Math.min(rows.count, first + rowsPerStep)
      if (!(index >= 0 && first < end)) throw new RangeError(`step ${index} of ${this.steps}`)
      const batches: Piece[][] = []
      for (let start = first; start < end; start += perDeviceBatchSize) {
        const batch: Piece[] = []
        for (let row = start; row < Math.min(end, start + perDeviceBatchSize); row++)
          batch.push(...rowAt(row))
        batches.push(batch)
      }
      return batches
    },
  }
}

interface Rows {
  count: number
  tokens: number
  get(index: number): Piece[]
}

function rowsOf(order: Int32Array, { lengths, packing, maxLength }: EpochOptions): Rows {
  if (packing === false) {
    const used = order.filter((example) => lengths[example] > 0)
    const piece = (example: number) => ({ example, start: 0, length: Math.min(lengths[example], maxLength) })
    return {
      count: used.length,
      tokens: used.reduce((sum, example) => sum + piece(example).length, 0),
      get: (index) => [piece(used[index])],
    }
  }
  const ordered = Int32Array.from(order, (example) => lengths[example])
  return compactRows(pack(ordered, maxLength, packing === true ? 'bfd' : packing), order)
}

/** Packs as three numbers a piece: a million examples would otherwise be as many objects, kept for an epoch. */
function compactRows(packs: readonly (readonly Piece[])[], order: Int32Array): Rows {
  const firsts = new Int32Array(packs.length + 1)
  packs.forEach((pieces, i) => (firsts[i + 1] = firsts[i] + pieces.length))
  const flat = new Int32Array(3 * firsts[packs.length])
  let tokens = 0
  packs.forEach((pieces, i) =>
    pieces.forEach(({ example, start, length }, j) => {
      flat.set([order[example], start, length], 3 * (firsts[i] + j))
      tokens += length
    }),
  )
  return {
    count: packs.length,
    tokens,
    get: (index) =>
      Array.from({ length: firsts[index + 1] - firsts[index] }, (_, j) => {
        const at = 3 * (firsts[index] + j)
        return { example: flat[at], start: flat[at + 1], length: flat[at + 2] }
      }),
  }
}
