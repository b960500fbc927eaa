import type { Decoder } from '../../generate/index.ts'

/** Tokens of a pass, whose logits are all read: the vocabulary may have hundreds of thousands. */
const passTokens = 32

/**
 * The probability that the next token is one of some, behind each token of a sequence from an index on.
 *
 * @param held  tokens of it that the decoder's slot 0 holds already; at most `from`
 */
export async function stopProbabilities(
  decoder: Decoder,
  tokens: readonly number[],
  { held, from, stopTokenIds }: { held: number; from: number; stopTokenIds: readonly number[] },
): Promise<number[]> {
  const probabilities: number[] = []
  for (let start = held; start < tokens.length; start += passTokens) {
    const ids = Int32Array.from(tokens.slice(start, start + passTokens))
    const positions = ids.map((_, i) => start + i)
    const wanted = [...positions.keys()].filter((i) => start + i >= from)
    // A pass asks for something; the answer before `from` is not used.
    const rows = Int32Array.from(wanted.length > 0 ? wanted : [ids.length - 1])
    const logits = await decoder.feed({ ids, slots: new Int32Array(ids.length), positions }, rows)
    for (const row of wanted.keys())
      probabilities.push(
        probabilityOf(stopTokenIds, logits.subarray(row * decoder.vocabSize, (row + 1) * decoder.vocabSize)),
      )
  }
  return probabilities
}

/** Of all those tokens together, by softmax. */
function probabilityOf(ids: readonly number[], logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  let all = 0
  for (const logit of logits) all += Math.exp(logit - largest)
  return ids.reduce((sum, id) => sum + Math.exp(logits[id] - largest), 0) / all
}
