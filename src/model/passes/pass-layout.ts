import { sharedRows, type Batch, type SharedRows } from '../../batch/index.ts'
import { bytesPerElement } from '../../engine/index.ts'
import type { Architecture } from '../blocks/architecture.ts'
import type { ModelState } from '../state/model-state.ts'
import type { PassRows } from './pass-inputs.ts'
import { tokensKept } from './recompute.ts'

/** The rows of a pass, and those that it is compiled for. */
export interface PassLayout {
  /** What of them is computed once, where that is asked for and much. */
  shared?: SharedRows
  counts: PassRows
  capacity: PassRows
  /** As `tokensKept`. */
  kept: number
  /** The same for passes that one program serves. */
  key: string
}

/** How batches become the rows of passes. */
export interface PassLayouts {
  /** @param shares  computes once what documents begin with as the one before them does, where the model can */
  layoutOf(batch: Batch, shares: boolean): PassLayout
  /** The tokens of a pass without shared ones that keeps as much for its backward pass. */
  tokensKept(batch: Batch, shares: boolean): number
}

export function createPassLayouts(state: ModelState): PassLayouts {
  const capacities = new Set<number>()
  return {
    layoutOf(batch, shares) {
      const copies = batch.inputIds.length
      const shared = sharedOf(batch, shares)
      if (!shared) {
        const tokens = capacityFor(copies)
        return { counts: { tokens: copies }, capacity: { tokens }, kept: copies, key: `${tokens}` }
      }
      const counts = { tokens: shared.places.length, copies }
      const capacity = { tokens: capacityFor(counts.tokens), copies: capacityFor(copies) }
      return { shared, counts, capacity, kept: keptBy(counts), key: `${capacity.tokens} ${capacity.copies}` }
    },
    tokensKept(batch, shares) {
      const copies = batch.inputIds.length
      const tokens = sharedOf(batch, shares)?.places.length
      return tokens === undefined ? copies : keptBy({ tokens, copies })
    },
  }

  function sharedOf(batch: Batch, shares: boolean): SharedRows | undefined {
    return shares && canShare(state.architecture) ? sharedRows(batch) : undefined
  }

  function keptBy(rows: PassRows): number {
    return tokensKept(state.architecture, bytesPerElement[state.activation], rows)
  }

  /**
   * Rows that a pass of `count` tokens is compiled for: those of an earlier pass that was little longer, else its own. To plan
   * and encode a pass takes 10 ms in which no kernel runs, and batches differ in length.
   */
  function capacityFor(count: number): number {
    const fitting = [...capacities].filter((rows) => rows >= count && rows <= count + 256)
    const capacity = fitting.length > 0 ? Math.min(...fitting) : count
    capacities.add(capacity)
    return capacity
  }
}

/** Whether tokens see earlier ones by attention alone: what else mixes them goes through documents one after the other. */
function canShare({ layers }: Architecture): boolean {
  return layers.flat().every(({ mixesTokens, attention }) => !mixesTokens || attention !== undefined)
}
