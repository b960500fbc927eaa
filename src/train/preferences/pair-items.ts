import type { AnswerDocument } from '../objectives/dpo.ts'
import type { PlainAnswer } from '../objectives/likelihood-pairs.ts'
import type { AnswerSet } from './answer-sets.ts'
import type { Items } from './item-data.ts'
import type { References } from './references.ts'

/** Pairs: of each its chosen answer, then its rejected one. */
export function pairItems(
  { items, store }: AnswerSet,
  references?: References,
): Items<AnswerDocument & { number: number }> {
  return {
    count: items.length,
    documents: (item) =>
      items[item].map((number) => {
        const { inputIds, mask, origin } = store.get(number)
        const reference = references?.of(number)
        return { inputIds, mask, origin, number, ...(reference && { reference }) }
      }),
  }
}

/** The same for ORPO, which learns the prompts of chosen answers, too. */
export function pairsWithPrompts(set: AnswerSet): Items<PlainAnswer> {
  const { count, documents } = pairItems(set)
  return {
    count,
    documents(item) {
      const [chosen, rejected] = documents(item)
      return [{ ...chosen, mask: new Uint8Array(chosen.mask.length).fill(1), answer: chosen.mask }, rejected]
    },
  }
}
