import { createRowReader, formatOrigin, readRows, type Conversation } from '../../data/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'

/** What a model is asked for a certificate. */
export interface EvaluationPrompt {
  /** The row: file and line. */
  origin: string
  /** As the template renders it, up to where the answer begins. */
  text: string
  ids: number[]
}

/** The longest prompt that is asked. */
const mostTokens = 2048

/** The prompts of the first `count` rows that have an answer and are not too long. */
export async function readPrompts(
  paths: readonly string[],
  tokenizer: Tokenizer,
  count: number,
): Promise<EvaluationPrompt[]> {
  const prompts: EvaluationPrompt[] = []
  for (const path of paths) {
    const read = createRowReader({})
    for await (const row of readRows({ path })) {
      if (prompts.length >= count) return prompts
      const conversation = read(row)
      const prompt = conversation && (await promptOf(conversation, tokenizer))
      if (prompt && prompt.ids.length > 0 && prompt.ids.length <= mostTokens)
        prompts.push({ origin: formatOrigin(row.origin), ...prompt })
    }
  }
  return prompts
}

async function promptOf(
  conversation: Conversation,
  tokenizer: Tokenizer,
): Promise<{ text: string; ids: number[] } | undefined> {
  const encoded = async (text: string, addSpecialTokens: boolean) => {
    const { inputIds } = await tokenizer.encode(text, { addSpecialTokens })
    return { text, ids: inputIds }
  }
  switch (conversation.kind) {
    case 'messages': {
      const { messages, tools, variables } = conversation
      const last = messages.findLastIndex(({ role }) => role === 'assistant')
      if (last < 1) return undefined
      const text = tokenizer.applyChatTemplate(messages.slice(0, last), {
        addGenerationPrompt: true,
        ...(tools && { tools }),
        ...(variables && { variables }),
      })
      return encoded(text, false)
    }
    case 'completion':
      return encoded(conversation.prompt, true)
    case 'text':
      return encoded(conversation.text.slice(0, 200), true)
    case 'tokens': {
      const { inputIds, mask } = conversation
      const ids = inputIds.slice(0, Math.max(0, mask.indexOf(1)))
      return { text: tokenizer.decode(ids), ids }
    }
  }
}
