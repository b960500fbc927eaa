import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Message } from '../../src/chat/index.ts'
import { FettleError } from '../../src/error.ts'
import { AutoTokenizer } from '../../src/tokenizer/index.ts'
import { fixtures } from './golden.ts'

interface Case {
  title: string
  template: string
  messages: Message[]
  options: {
    tools?: unknown[]
    documents?: Record<string, unknown>[]
    continue_final_message?: boolean | string
    add_generation_prompt?: boolean
    [variable: string]: unknown
  }
  text?: string
  error?: string
}

/** What transformers makes of the same; see record_chats.py. */
const { templates, cases }: { templates: Record<string, string>; cases: Case[] } = JSON.parse(
  readFileSync(join(fixtures, '..', 'apply-chat-template.json'), 'utf8'),
)

it.each(cases)('$title', async ({ template, messages, options, text }) => {
  const tokenizer = await AutoTokenizer.fromPretrained(join(fixtures, 'bytebpe-qwen'))
  tokenizer.chatTemplate = templates[template]
  const { tools, documents, continue_final_message, add_generation_prompt, ...variables } = options
  const apply = () =>
    tokenizer.applyChatTemplate(messages, {
      tools,
      documents,
      continueFinalMessage: continue_final_message,
      addGenerationPrompt: add_generation_prompt,
      variables: { ...variables, now: new Date(2024, 6, 26) },
    })
  if (text === undefined) expect(apply).toThrow(FettleError)
  else expect(apply()).toBe(text)
})
