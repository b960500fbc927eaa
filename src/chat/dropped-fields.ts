import type { DroppedField, Message } from './messages.ts'
import type { Ownership } from './ownership.ts'

/** What messages say or do and no character of the text comes from: the template leaves it out. */
export function droppedFields(messages: readonly Message[], ownership: Ownership): DroppedField[] {
  return messages.flatMap((message, index) => {
    const written = ownership.contentOf(index)
    const dropped: DroppedField[] = []
    if (saysText(message) && !written.some(({ field }) => isOf(field, 'content')))
      dropped.push({ message: index, field: 'content' })
    if (message.tool_calls !== undefined && message.tool_calls.length > 0)
      if (!written.some(({ field }) => isOf(field, 'tool_calls')))
        dropped.push({ message: index, field: 'tool_calls' })
    return dropped
  })
}

function isOf(field: string, name: string): boolean {
  return field === name || field.startsWith(`${name}.`)
}

/** Whether a message says something besides thinking, which templates leave out of earlier turns. */
function saysText({ content }: Message): boolean {
  const text = typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('')
  if (text.trim() === '') return false
  const closed = text.lastIndexOf('</think>')
  return closed < 0 || text.slice(closed + '</think>'.length).trim() !== ''
}
