import { formatOrigin, type Origin } from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'

/** @throws FettleError that names the row and the first of its tokens that the model does not have */
export function refuseUnknownTokens(
  ids: Int32Array | readonly number[],
  origin: Origin,
  { tokenizer, vocabSize }: { tokenizer: Tokenizer; vocabSize: number },
): void {
  const unknown = ids.find((id) => id >= vocabSize)
  if (unknown === undefined) return
  throw new FettleError({
    place: formatOrigin(origin),
    found: `token ${unknown} ${JSON.stringify(tokenizer.convertIdsToTokens(unknown))}`,
    expected: `tokens below ${vocabSize}, the rows of the model's embedding`,
    cure: 'Use the tokenizer of this model, or resize the embeddings with model.resizeTokenEmbeddings(tokenizer.length).',
  })
}
