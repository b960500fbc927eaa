import { buffer } from 'node:stream/consumers'
import type { Message } from '../../chat/index.ts'
import { FettleError } from '../../error.ts'
import { decodeUtf8, parseJson, readTextFile } from '../../formats/index.ts'
import type { Prompt } from '../../pipeline/index.ts'

/**
 * The prompts of a file, or of stdin for `-`: JSON lines with `messages` or `prompt`, one JSON list of messages, or
 * else plain text as a single prompt.
 *
 * @throws FettleError for JSON lines that are broken or hold neither
 */
export async function readPrompts(path: string, asPrompt: (text: string) => Prompt): Promise<Prompt[]> {
  const place = path === '-' ? 'stdin' : path
  const content = path === '-' ? decodeUtf8(await buffer(process.stdin), place) : await readTextFile(path)
  const trimmed = content.trim()
  if (trimmed === '')
    throw new FettleError({
      place,
      found: 'no text',
      expected: 'a prompt',
      cure: path === '-' ? 'Give it as an argument or in a pipe.' : 'Write prompts into the file.',
    })
  const list = trimmed.startsWith('[') ? parseOrUndefined(trimmed) : undefined
  if (Array.isArray(list) && list.every(isMessage)) return [{ messages: list }]
  if (!/^\{\s*"/.test(trimmed)) return [asPrompt(content.replace(/\r?\n$/, ''))]
  return trimmed
    .split('\n')
    .flatMap((line, index) => (line.trim() === '' ? [] : [readRow(line, place, index + 1)]))
}

function readRow(line: string, place: string, number: number): Prompt {
  const row = parseJson(line, place, { line: number, column: 0 })
  if (typeof row === 'object' && row !== null) {
    const { messages, prompt, tools } = row as Record<string, unknown>
    if (Array.isArray(messages) && messages.length > 0 && messages.every(isMessage))
      return { messages: withoutLastAnswer(messages), ...(Array.isArray(tools) && { tools }) }
    if (typeof prompt === 'string') return { text: prompt }
    if (Array.isArray(prompt) && prompt.length > 0 && prompt.every(isMessage)) return { messages: prompt }
  }
  throw new FettleError({
    place: `${place}:${number}`,
    found: 'neither messages nor prompt',
    expected: '{"messages": […]} or {"prompt": "…"}',
  })
}

/** Training rows end with the answer; what is asked ends before it. */
function withoutLastAnswer(messages: Message[]): Message[] {
  return messages.at(-1)?.role === 'assistant' ? messages.slice(0, -1) : messages
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string'
}

function parseOrUndefined(json: string): unknown {
  try {
    return parseJson(json, '')
  } catch {
    // Text may begin with a bracket too.
    return undefined
  }
}
