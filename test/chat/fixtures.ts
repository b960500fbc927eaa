import { readFileSync } from 'node:fs'
import { parseChatTemplate, type ChatTemplate, type Message } from '../../src/chat/index.ts'

const folder = new URL('../fixtures/chat-templates/', import.meta.url)

export interface RecordedRender {
  text: string
  generation_spans?: [number, number][]
  prompts?: Record<string, string | { error: string }>
}

export interface RecordedTemplate {
  bos_token: string
  eos_token: string
  renders: Record<string, RecordedRender | { error: string }>
}

export interface TestConversation {
  messages: Message[]
  tools?: unknown[]
}

/** What Python made of each template and conversation. */
export const recorded: Record<string, RecordedTemplate> = JSON.parse(
  readFileSync(new URL('rendered.json', folder), 'utf8'),
)

export const conversations: Record<string, TestConversation> = JSON.parse(
  readFileSync(new URL('conversations.json', folder), 'utf8'),
)

/** The moment at which the fixtures were recorded. */
export const pinnedNow = new Date(2024, 6, 26)

export function isFailed(render: RecordedRender | { error: string }): render is { error: string } {
  return 'error' in render
}

export function templateSource(name: string): string {
  return readFileSync(new URL(`templates/${name}.jinja`, folder), 'utf8')
}

const loaded = new Map<string, ChatTemplate>()

export function loadTemplate(name: string): ChatTemplate {
  const template = loaded.get(name) ?? parseChatTemplate(templateSource(name))
  loaded.set(name, template)
  return template
}

/** Python counts code points, JavaScript UTF-16 units. */
export function toCodePoints(text: string, offset: number): number {
  return Array.from(text.slice(0, offset)).length
}
