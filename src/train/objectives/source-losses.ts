import { learnedRanges, type Document, type TrainingBatch } from '../../batch/index.ts'
import type { SourceLoss } from '../events.ts'

/** The losses of several sources apart. */
export interface SourceLosses {
  /** @param logProbs  of the learned tokens [m] */
  add(batch: TrainingBatch<Document>, logProbs: Float32Array): void
  /** What there is to tell: nothing of a single source. */
  told(): { sources?: Record<string, SourceLoss> }
}

/** Sums losses by the source that each document is of. */
export function createSourceLosses(): SourceLosses {
  const sums = new Map<string, { loss: number; tokens: number }>()
  return {
    add(batch, logProbs) {
      learnedRanges(batch).forEach(({ start, end }, i) => {
        const { file } = batch.documents[i].origin
        const sum = sums.get(file) ?? { loss: 0, tokens: 0 }
        for (let at = start; at < end; at += 1) sum.loss -= logProbs[at]
        sum.tokens += end - start
        sums.set(file, sum)
      })
    },
    told() {
      const found = [...sums].filter(([, { tokens }]) => tokens > 0)
      if (found.length < 2) return {}
      const told = found.map(([file, { loss, tokens }]) => [
        file,
        { loss: loss / tokens, learned_tokens: tokens },
      ])
      return { sources: Object.fromEntries(told) as Record<string, SourceLoss> }
    },
  }
}
