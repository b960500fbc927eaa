import type { Message } from '../../chat/index.ts'
import type { Tokenizer } from '../../tokenizer/index.ts'

/** What is asked, before a template and a tokenizer made tokens of it. */
export type PromptRequest =
  | {
      kind: 'messages'
      messages: Message[]
      tools?: unknown[] | undefined
      /** Of the template. */
      variables: Readonly<Record<string, unknown>>
    }
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; ids: number[] }

/** What a template and a tokenizer made of it. */
export interface RenderedPrompt {
  /** As the template renders it, up to where the answer begins. */
  text: string
  ids: number[]
}

/** What stands before an answer. */
export async function renderRequest(request: PromptRequest, tokenizer: Tokenizer): Promise<RenderedPrompt> {
  if (request.kind === 'tokens') return { text: tokenizer.decode(request.ids), ids: request.ids }
  const text = request.kind === 'text' ? request.text : renderMessages(request, tokenizer)
  const { inputIds } = await tokenizer.encode(text, { addSpecialTokens: request.kind === 'text' })
  return { text, ids: inputIds }
}

/** @throws FettleError where the template refuses the messages */
export function renderMessages(
  { messages, tools, variables }: Extract<PromptRequest, { kind: 'messages' }>,
  tokenizer: Tokenizer,
): string {
  return tokenizer.applyChatTemplate(messages, {
    addGenerationPrompt: true,
    ...(tools && { tools }),
    variables,
  })
}
