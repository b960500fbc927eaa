import type { Check } from '../../check.ts'
import { createTally } from '../../check.ts'
import { configNumber } from '../../model-files.ts'
import { plural } from '../../../plural.ts'

const why =
  'The model has never seen positions that far; its answers there are noise, and training on them hurts.'

/** Texts longer than the model's positions. */
export const positionLimit: Check = {
  looksFor: 'texts longer than max_position_embeddings',
  examine({ model, run }) {
    const limit = model && configNumber(model, 'max_position_embeddings')
    if (limit === undefined || run?.maxLength === undefined || run.maxLength <= limit) return []
    return [
      {
        severity: 'warning',
        place: `${run.place}: max_length`,
        found: `${run.maxLength}, and the model has ${limit} positions`,
        evidence: [],
        why,
        cure: `Set max_length to at most ${limit}, or extend the model with rope scaling first.`,
      },
    ]
  },
  observe({ model, run }) {
    const limit = model && configNumber(model, 'max_position_embeddings')
    // Where max_length cuts at or below the limit, nothing longer reaches the model.
    if (limit === undefined || (run !== undefined && (run.maxLength ?? 0) <= limit)) return undefined
    const tally = createTally()
    return {
      example({ place, example: { inputIds } }) {
        if (inputIds.length > limit) tally.add(() => ({ place, says: plural(inputIds.length, 'token') }))
      },
      finish: () =>
        tally.count === 0
          ? []
          : [
              {
                severity: 'error',
                place: tally.evidence[0]?.place ?? '',
                found: `${plural(tally.count, 'row is', 'rows are')} longer than the model's ${limit} positions`,
                evidence: tally.evidence,
                why,
                cure: `Set max_length to at most ${limit}; then look at what it cuts.`,
              },
            ],
    }
  },
}
