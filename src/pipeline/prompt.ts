import type { Message } from '../chat/index.ts'
import type { ChatTemplateOptions, EncodeOptions, Tokenizer } from '../tokenizer/index.ts'

/** What a model is asked: text to continue as it stands, or messages to answer. */
export type Prompt = ({ text: string } & Pick<EncodeOptions, 'addSpecialTokens'>) | ChatPrompt

type ChatPrompt = { messages: readonly Message[] } & Pick<
  ChatTemplateOptions,
  'tools' | 'documents' | 'template' | 'variables'
>

/** Tokens of a prompt. Text gets the tokenizer's special tokens; a template writes its own. */
export async function encodePrompt(tokenizer: Tokenizer, prompt: Prompt): Promise<number[]> {
  if ('text' in prompt) {
    const { text, ...options } = prompt
    return (await tokenizer.encode(text, options)).inputIds
  }
  const { messages, ...options } = prompt
  const rendered = tokenizer.applyChatTemplate(messages, { ...options, addGenerationPrompt: true })
  return (await tokenizer.encode(rendered, { addSpecialTokens: false })).inputIds
}
