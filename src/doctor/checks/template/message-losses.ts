import { reasoningFields, type Message, type Rendered, type Segment } from '../../../chat/index.ts'
import { excerptOf, type Excerpt } from '../../diagnosis.ts'

/** What a template can do to a message. */
export type LossKind =
  | 'dropped'
  | 'merged'
  | 'reordered'
  | 'thinking dropped'
  | 'last thinking dropped'
  | 'tool calls dropped'
  | 'tools dropped'

/** One thing that a template did to a message. */
export interface Loss {
  kind: LossKind
  says?: string
  excerpt?: Excerpt
}

const isContent = ({ field = '' }: Segment) => field === 'content' || field.startsWith('content.')

/** Compares the messages of a conversation with what the template wrote of each. */
export function compareWithRendered(messages: readonly Message[], { text, segments }: Rendered): Loss[] {
  const losses: Loss[] = []
  const written = (message: number, matches: (segment: Segment) => boolean) =>
    segments.filter(
      (segment) => segment.message === message && segment.end > segment.start && matches(segment),
    )
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant')
  let before: Segment | undefined
  messages.forEach((message, index) => {
    const content = textOf(message)
    const own = written(index, isContent)
    const name = `messages[${index}] (${message.role})`
    const visible = content.replace(/^[\s\S]*<\/think>/, '').trim()
    if (visible !== '' && own.length === 0)
      losses.push({ kind: 'dropped', says: name, excerpt: excerptOf(content, 0, content.length) })
    const last = index === lastAnswer
    if (
      thinks(message) &&
      !writesThinking(
        text,
        message,
        written(index, () => true),
      )
    )
      losses.push({ kind: last ? 'last thinking dropped' : 'thinking dropped', says: name })
    const calls = message.tool_calls
    const writtenCalls = written(index, ({ field = '' }) => field.startsWith('tool_calls'))
    if (calls !== undefined && calls.length > 0 && writtenCalls.length === 0)
      losses.push({ kind: 'tool calls dropped', says: name })
    const [first] = own
    if (first === undefined) return
    if (before !== undefined && first.start < before.end) losses.push({ kind: 'reordered', says: name })
    else if (before !== undefined && text.slice(before.end, first.start).trim() === '')
      losses.push({ kind: 'merged', says: name, excerpt: excerptOf(text, before.start, first.end) })
    before = own.at(-1)
  })
  return losses
}

function textOf({ content }: Message): string {
  if (typeof content === 'string') return content
  return Array.isArray(content) ? content.map(({ text = '' }) => text).join('') : ''
}

function thinkingOf(message: Message): string {
  const field = reasoningFields.map((name) => message[name]).find((value) => typeof value === 'string')
  const inContent = /<think>([\s\S]*?)<\/think>/.exec(textOf(message))?.[1]
  return (typeof field === 'string' ? field : (inContent ?? '')).trim()
}

function thinks(message: Message): boolean {
  return message.role === 'assistant' && thinkingOf(message) !== ''
}

/** Whether the thinking stands in the text: as a field of its own, or as the part of the content that it is. */
function writesThinking(text: string, message: Message, own: readonly Segment[]): boolean {
  const names: readonly string[] = reasoningFields
  if (own.some(({ field = '' }) => names.includes(field.split('.')[0]))) return true
  const thinking = thinkingOf(message)
  return own.some(({ start, end }) => text.slice(start, end).includes(thinking))
}
