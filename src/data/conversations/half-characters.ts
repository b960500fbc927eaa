import { FettleError } from '../../error.ts'
import { parseJson } from '../../formats/index.ts'
import type { Conversation } from './conversation.ts'
import { formatOrigin } from '../row.ts'

/** A half of a UTF-16 pair that stands alone: no UTF-8 has it, so no tokenizer can read it. */
const halfCharacter = /\p{Surrogate}/u

/** Whether a text holds one. String.isWellFormed, of ES2024, is twenty times as fast as the pattern. */
function hasHalf(text: string): boolean {
  return !(text as string & { isWellFormed(): boolean }).isWellFormed()
}

/**
 * Stops at a text that holds half of a character, such as "\ud83d" alone in JSON. It would be learned as U+FFFD.
 *
 * @throws FettleError that names the text
 */
export function refuseHalfCharacters(conversation: Conversation): void {
  const { origin } = conversation
  const found = find(textsOf(conversation))
  if (found === undefined) return
  const { path, text } = found
  const at = halfCharacter.exec(text)?.index ?? 0
  const code = text.charCodeAt(at).toString(16)
  throw new FettleError({
    place: formatOrigin(origin),
    found: `\\u${code}, half of a character, in ${path.slice(1, 81)} at character ${at + 1}`,
    expected: 'whole characters',
    cure: 'The text was cut inside of a character, such as an emoji: repair it, or take it out.',
  })
}

function textsOf(conversation: Conversation): Record<string, unknown> {
  switch (conversation.kind) {
    case 'messages':
      return { messages: conversation.messages, tools: conversation.tools }
    case 'completion':
      return { prompt: conversation.prompt, completion: conversation.completion }
    case 'text':
      return { text: conversation.text }
    case 'tokens':
      return {}
  }
}

/** Deeper than any template shows. */
const deepest = 200

/** What the arguments of a call are to a template, where they are JSON text: an escape in it becomes a character there. */
function argumentsOf(given: unknown): unknown {
  if (typeof given !== 'string' || !given.includes('\\u')) return given
  try {
    return parseJson(given, 'arguments')
  } catch {
    // Whoever turns them into an object says what is wrong with them.
    return given
  }
}

interface Found {
  path: string
  text: string
}

function find(value: unknown, depth = 0): Found | undefined {
  if (typeof value === 'string') return hasHalf(value) ? { path: '', text: value } : undefined
  if (typeof value !== 'object' || value === null || depth > deepest) return undefined
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const found = find(value[i], depth + 1)
      if (found !== undefined) return { ...found, path: `[${i}]${found.path}` }
    }
    return undefined
  }
  const fields = value as Readonly<Record<string, unknown>>
  for (const key of Object.keys(fields)) {
    if (hasHalf(key)) return { path: '.(a key)', text: key }
    const found = find(key === 'arguments' ? argumentsOf(fields[key]) : fields[key], depth + 1)
    if (found !== undefined) return { ...found, path: `.${key}${found.path}` }
  }
  return undefined
}
