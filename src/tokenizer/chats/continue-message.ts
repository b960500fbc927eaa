import { reasoningFields, type ContentPart, type Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'

/** Stands behind the text to continue while the template runs; its space tells whether the template strips texts. */
const tag = 'CONTINUE_FINAL_MESSAGE_TAG '
const place = 'continueFinalMessage'

/** A conversation whose last message is left open, for the model to go on with. */
export interface OpenConversation {
  messages: Message[]
  /** Cuts a rendered text behind the last message's own. */
  cut(rendered: string): string
}

/**
 * Marks the end of the last message's text, so that what the template writes behind it can be cut off.
 * Source: transformers 5.23, `render_jinja_template`.
 *
 * @param field  the field to continue, such as `content` or `reasoning_content`
 * @throws FettleError when the message has no such text, or the template does not write it
 */
export function leaveOpen(
  messages: readonly Message[],
  field: string,
  templateSource: string,
): OpenConversation {
  const last = messages.at(-1)
  const given = last?.[field]
  if (last === undefined || given === undefined)
    throw new FettleError({
      place,
      found: last === undefined ? 'no message' : `a last message without ${field}`,
      expected: 'a text to continue there',
    })
  const names: readonly string[] = reasoningFields
  const fields = names.includes(field) ? names.filter((name) => last[name] === given) : [field]
  if (!fields.some((name) => templateSource.includes(name)))
    throw new FettleError({ place, found: field, expected: 'a field that the chat template reads' })
  const { marked, text } = mark(given)
  const open = { ...last, ...Object.fromEntries(fields.map((name) => [name, marked])) }
  return {
    messages: [...messages.slice(0, -1), open],
    cut(rendered) {
      const end = rendered.lastIndexOf(tag.trim())
      if (end < 0 || !rendered.includes(text.trim()))
        throw new FettleError({
          place,
          found: 'a template that does not show the last message as it is',
          expected: 'its text in the rendered conversation',
        })
      const shown = rendered.slice(0, end)
      return rendered.startsWith(tag, end) ? shown : shown.trimEnd()
    },
  }
}

function mark(value: unknown): { marked: unknown; text: string } {
  if (typeof value === 'string') return { marked: value + tag, text: value }
  const parts: readonly ContentPart[] = Array.isArray(value) ? value : []
  const at = parts.findLastIndex((part) => part.text !== undefined)
  const text = parts[at]?.text
  if (text === undefined)
    throw new FettleError({ place, found: 'a last message without text', expected: 'a text to continue' })
  return { marked: parts.map((part, i) => (i === at ? { ...part, text: text + tag } : part)), text }
}
