import type { Tokenizer } from '../tokenizer/index.ts'
import type { Inspected } from './inspected.ts'

/** What precedes an answer: in training, and when a server renders the same history. */
export interface TurnParity {
  /** Index of the answer. */
  message: number
  trainingIds: number[]
  servingIds: number[]
  /** Index of the first token that differs; undefined when all are the same. */
  partsAt?: number
}

/** Compares, for each learned answer, what the model saw before it with what it is given when served. */
export async function compareTurns(
  { inputIds, spans, chat }: Inspected,
  tokenizer: Tokenizer,
  variables: Record<string, unknown>,
): Promise<TurnParity[]> {
  if (chat === undefined) return []
  const { messages, tools } = chat
  return Promise.all(
    spans.map(async ({ message, start }): Promise<TurnParity> => {
      const history = messages.slice(0, message)
      const prompt = tokenizer.applyChatTemplate(history, { tools, addGenerationPrompt: true, variables })
      const servingIds = (await tokenizer.encode(prompt, { addSpecialTokens: false })).inputIds
      const trainingIds = [...inputIds.subarray(0, start)]
      const partsAt = firstDifference(trainingIds, servingIds)
      return { message, trainingIds, servingIds, ...(partsAt !== undefined && { partsAt }) }
    }),
  )
}

function firstDifference(a: readonly number[], b: readonly number[]): number | undefined {
  const longer = Math.max(a.length, b.length)
  for (let i = 0; i < longer; i += 1) if (a[i] !== b[i]) return i
  return undefined
}
