import { FettleError } from '../error.ts'
import type { Tokenizer } from '../tokenizer/index.ts'
import type { InspectedExample } from '../data/index.ts'

/** What precedes an answer: in training, and when a server renders the same history. */
export interface TurnParity {
  /** Index of the answer. */
  message: number
  trainingIds: number[]
  servingIds: number[]
  /** Index of the first token that differs; undefined when all are the same. */
  partsAt?: number
  /** Why the template makes no prompt of this history, where it refuses it. */
  refused?: string
}

/** Compares, for each learned answer, what the model saw before it with what it is given when served. */
export async function compareTurns(
  { inputIds, spans, chat }: InspectedExample,
  tokenizer: Tokenizer,
  variables: Record<string, unknown>,
): Promise<TurnParity[]> {
  if (chat === undefined) return []
  const { messages, tools } = chat
  return Promise.all(
    spans.map(async ({ message, start }): Promise<TurnParity> => {
      const history = messages.slice(0, message)
      let prompt: string
      try {
        prompt = tokenizer.applyChatTemplate(history, { tools, addGenerationPrompt: true, variables })
      } catch (error) {
        if (!(error instanceof FettleError)) throw error
        return {
          message,
          trainingIds: [...inputIds.subarray(0, start)],
          servingIds: [],
          refused: error.message,
        }
      }
      const servingIds = (await tokenizer.encode(prompt, { addSpecialTokens: false })).inputIds
      // A learned header stands in the text all the same: what is served reaches beyond where learning begins.
      const before = [...inputIds.subarray(0, start)]
      const reached = [...inputIds.subarray(0, Math.max(start, servingIds.length))]
      const partsAt = firstDifference(reached, servingIds)
      return partsAt === undefined
        ? { message, trainingIds: reached, servingIds }
        : {
            message,
            trainingIds: before,
            servingIds,
            partsAt: firstDifference(before, servingIds) ?? partsAt,
          }
    }),
  )
}

function firstDifference(a: readonly number[], b: readonly number[]): number | undefined {
  const longer = Math.max(a.length, b.length)
  for (let i = 0; i < longer; i += 1) if (a[i] !== b[i]) return i
  return undefined
}
