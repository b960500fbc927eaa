import { packCompactly, type PackingStrategy, type Packs, type Piece } from './packing.ts'
import { inOrder, shuffledOrder } from './shuffle.ts'

/** Tokens of each example; an array is one. */
export interface LengthList {
  readonly length: number
  /** Of the examples [start, end). */
  slice(start: number, end: number): ArrayLike<number>
}

/** What the order of an epoch follows from. */
export interface EpochOptions {
  /** Tokens of each example. */
  lengths: LengthList
  seed: number
  /** 0 for the first. */
  epoch: number
  shuffle: boolean
  /** A strategy, or false for one example a row; true is `bfd`. */
  packing: boolean | PackingStrategy
  maxLength: number
  perDeviceBatchSize: number
  gradientAccumulation: number
  /** Examples that are shuffled and packed at once (default 2,097,152). */
  windowSize?: number | undefined
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
 * Examples that are shuffled and packed at once, for which some 40 MiB are taken. Of more examples, neighbours make up windows of at
 * most this size, each shuffled and packed by itself when it is its turn, in an order that is shuffled as well.
 */
const largestWindow = 1 << 21

/**
 * Plans an epoch: shuffle, pack, shuffle the packs, group them. A pure function of its options, so that a resumed run
 * goes on in the same order. The last step may be smaller; every example comes up once.
 */
export function planEpoch(options: EpochOptions): EpochPlan {
  const { lengths, seed, epoch, shuffle, maxLength, perDeviceBatchSize, gradientAccumulation } = options
  const { windowSize = largestWindow } = options
  const windows = Math.max(1, Math.ceil(lengths.length / windowSize))
  const size = Math.ceil(lengths.length / windows)
  const windowOrder =
    shuffle && windows > 1 ? shuffledOrder(windows, seed, streamOf(epoch, mostWindows)) : inOrder(windows)
  let planned: { window: number; rows: Rows } | undefined
  const rowsOfWindow = (window: number): Rows => {
    if (planned?.window !== window) {
      // The one before goes first.
      planned = undefined
      planned = { window, rows: planWindow(windowOrder[window], size, options) }
    }
    return planned.rows
  }
  /** [window] rows of those before */
  const firsts = [0]
  let tokens = 0
  // The first one is planned last: it is needed first.
  const counts = new Map<number, number>()
  for (let window = windows - 1; window >= 0; window--) {
    const rows = rowsOfWindow(window)
    counts.set(window, rows.count)
    tokens += rows.tokens
  }
  for (let window = 0; window < windows; window++) firsts.push(firsts[window] + (counts.get(window) ?? 0))
  const total = firsts[windows]
  const rowAt = (index: number): Piece[] => {
    const window = firsts.findLastIndex((first) => first <= index)
    return rowsOfWindow(window).get(index - firsts[window])
  }
  const rowsPerStep = perDeviceBatchSize * gradientAccumulation
  return {
    steps: Math.ceil(total / rowsPerStep),
    rows: total,
    tokens,
    fill: total === 0 ? 0 : tokens / (total * maxLength),
    step(index) {
      const first = index * rowsPerStep
      const end = Math.min(total, first + rowsPerStep)
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

/** More windows than any data have; epochs are at most a million, and each has two orders in each window. */
const mostWindows = 2047
const streamsPerWindow = 1 << 21

/** The number of a random order; those of the first window are 2 · epoch and 2 · epoch + 1. */
function streamOf(epoch: number, window: number, second = 0): number {
  return 2 * epoch + second + window * streamsPerWindow
}

type Rows = Pick<Packs, 'count' | 'tokens' | 'get'>

/** The rows of the examples [window · size, (window + 1) · size). */
function planWindow(window: number, size: number, options: EpochOptions): Rows {
  const { seed, epoch, shuffle, packing, maxLength } = options
  const start = window * size
  const lengths = options.lengths.slice(start, Math.min(start + size, options.lengths.length))
  const count = lengths.length
  const order = shuffle ? shuffledOrder(count, seed, streamOf(epoch, window)) : inOrder(count)
  if (packing === false) return singleRows(order, lengths, start, maxLength)
  const ordered = order.map((example) => lengths[example])
  const packs = packCompactly(ordered, maxLength, packing === true ? 'bfd' : packing)
  // Best fit leaves packs of long examples first: mixed again, or the last steps would see only short ones.
  const rowOrder = shuffle ? shuffledOrder(packs.count, seed, streamOf(epoch, window, 1)) : undefined
  return {
    count: packs.count,
    tokens: packs.tokens,
    get: (index) =>
      packs
        .get(rowOrder === undefined ? index : rowOrder[index])
        .map(({ example, ...piece }) => ({ example: start + order[example], ...piece })),
  }
}

/** One example a row. */
function singleRows(order: Int32Array, lengths: ArrayLike<number>, start: number, maxLength: number): Rows {
  const used = order.filter((example) => lengths[example] > 0)
  const lengthOf = (example: number) => Math.min(lengths[example], maxLength)
  return {
    count: used.length,
    tokens: used.reduce((sum, example) => sum + lengthOf(example), 0),
    get: (index) => [{ example: start + used[index], start: 0, length: lengthOf(used[index]) }],
  }
}
