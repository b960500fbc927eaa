import type { Document } from '../../batch/index.ts'
import { learnedRanges } from '../../batch/index.ts'
import { internalsOf, type AutoModelForCausalLM } from '../../model/index.ts'
import { createForwardPasses } from '../loop/forward-passes.ts'
import { passSize, type PassSize } from '../memory/index.ts'
import type { ReferenceOptions } from '../loop/reference.ts'
import { batchesOf, type Items } from './item-data.ts'

/** What the reference says of the learned tokens of answers, by their number. */
export interface References {
  of(answer: number): Float32Array | undefined
  set(answer: number, logProbs: Float32Array): void
}

/** References that are not known yet. */
export function createReferences(): References {
  const known = new Map<number, Float32Array>()
  return {
    of: (answer) => known.get(answer),
    set: (answer, logProbs) => known.set(answer, logProbs),
  }
}

/**
 * Asks the reference once, before anything is trained: the model without its adapter, or where that is trained further or there is none,
 * the model as it is.
 *
 * @param answers  documents with the number that each has among the references; each item is two that share a prompt
 */
export async function precompute(
  model: AutoModelForCausalLM,
  answers: Items<Document & { number: number }>,
  references: References,
  { kind }: ReferenceOptions,
  {
    perBatch,
    lowMemory,
    passes,
    signal,
  }: {
    perBatch: number
    lowMemory: boolean
    passes?: PassSize | undefined
    signal?: AbortSignal | undefined
  },
): Promise<void> {
  const internals = internalsOf(model)
  const { perPass } = passes ?? passSize(internals.activationBytesPerToken(), lowMemory)
  const forward = createForwardPasses(internals, perPass, undefined, { together: 2, beginAlike: true })
  for (const batch of batchesOf(answers, perBatch)) {
    signal?.throwIfAborted()
    const logProbs = await internals.inTurn(() =>
      kind === 'base' ? forward.reference(batch) : forward.logProbs(batch),
    )
    learnedRanges(batch).forEach(({ start, end }, i) =>
      references.set(batch.documents[i].number, logProbs.slice(start, end)),
    )
  }
}
