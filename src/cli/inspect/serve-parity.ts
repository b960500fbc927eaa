import { FettleError } from '../../error.ts'
import {
  continuedTexts,
  type ContinuedTexts,
  type TokenisedText,
  type Tokenizer,
} from '../../tokenizer/index.ts'
import type { InspectedExample } from '../../data/index.ts'

/** What precedes an answer: in training, and when a server renders the same history. */
export type TurnParity =
  /** The same tokens, so many of them. */
  | { message: number; kind: 'same'; tokens: number }
  /** Other tokens from an index on. */
  | { message: number; kind: 'parted'; trainingIds: Int32Array; servingIds: Int32Array; partsAt: number }
  /** Why the template makes no prompt of this history. */
  | { message: number; kind: 'refused'; reason: string }

/**
 * Compares, for each learned answer, what the model saw before it with what it is given when served. One after the other, and
 * of each text only what the one before does not have: all prompts of a conversation are as large as its square.
 */
export function turnComparer(
  tokenizer: Tokenizer,
  variables: Record<string, unknown>,
): (example: InspectedExample) => AsyncGenerator<TurnParity> {
  const texts = continuedTexts(tokenizer)
  let last: TokenisedText | undefined
  return async function* ({ text, inputIds, spans, chat }) {
    if (chat === undefined) return
    const prompt = tokenizer.chatPrompts(chat.messages, {
      tools: chat.tools,
      variables: { ...variables, ...chat.variables },
    })
    const trained = await texts.encode(text, last)
    last = trained
    yield* compare(texts, { trained, prompt, inputIds, spans })
  }
}

interface Comparison extends Pick<InspectedExample, 'inputIds' | 'spans'> {
  trained: TokenisedText
  /** The text that a server renders of the first messages. */
  prompt: (count: number) => string
}

async function* compare(
  texts: ContinuedTexts,
  { trained, prompt, inputIds, spans }: Comparison,
): AsyncGenerator<TurnParity> {
  // Up to there what is tokenised here is what was trained on.
  const agreed = firstDifference(inputIds, trained.inputIds) ?? inputIds.length
  for (const { message, start } of spans) {
    let served: string
    try {
      served = prompt(message)
    } catch (error) {
      if (!(error instanceof FettleError)) throw error
      yield { message, kind: 'refused', reason: error.message }
      continue
    }
    const from = texts.partingOf(served, trained)
    const { inputIds: servingIds } = await texts.encode(served, trained, from)
    // A learned header stands in the text all the same: what is served reaches beyond where learning begins.
    const before = inputIds.subarray(0, start)
    const reached = inputIds.subarray(0, Math.max(start, servingIds.length))
    const compared = Math.min(from.token, agreed, start)
    const partsAt = firstDifference(reached, servingIds, compared)
    yield partsAt === undefined
      ? { message, kind: 'same', tokens: servingIds.length }
      : {
          message,
          kind: 'parted',
          trainingIds: before,
          servingIds,
          partsAt: firstDifference(before, servingIds, compared) ?? partsAt,
        }
  }
}

/** @param from  where to begin: both are known to be alike before it */
function firstDifference(a: Int32Array, b: Int32Array, from = 0): number | undefined {
  const shorter = Math.min(a.length, b.length)
  for (let i = from; i < shorter; i += 1) if (a[i] !== b[i]) return i
  return a.length === b.length ? undefined : shorter
}
