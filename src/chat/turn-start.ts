import type { RenderBeginning, RenderOptions } from './jinja/index.ts'
import { commonPrefixLength, type Ownership } from './ownership.ts'
import { tryText, type TemplateFacts } from './stop-tokens.ts'
import type { SpanStatus } from './messages.ts'

/** Where the learned part of a turn begins, and how that was found. */
export interface TurnStart {
  readonly start: number
  readonly status: SpanStatus
  /** The end of the last foreign character before the turn: nothing of the turn is earlier. */
  readonly lowest: number
}

interface Turn {
  readonly beginning: RenderBeginning
  readonly options: RenderOptions
  readonly ownership: Ownership
  readonly facts: TemplateFacts
  readonly message: number
}

/**
 * The beginning of message i's turn. Proved: the prompt that serving would send (the messages before it and the
 * generation prompt) is a beginning of the text and reaches into the turn. Aligned: only the generation prompt's
 * own beginning stands before the message. Inferred: the message's first character.
 */
export function findTurnStart(turn: Turn): TurnStart | undefined {
  const { ownership, message, options } = turn
  const { text } = ownership
  const [first] = ownership.contentOf(message)
  const isAssistant = options.messages[message]?.role === 'assistant'
  const prompt = isAssistant ? promptBefore(turn) : undefined
  const shared = prompt === undefined ? 0 : commonPrefixLength(text, prompt)
  const isPrefix = prompt !== undefined && shared === prompt.length
  if (first === undefined) return isPrefix ? emptyTurn(turn, shared) : undefined

  const lowest = lastForeignEnd(ownership, message, first.start)
  if (isPrefix && shared >= lowest && shared <= first.start)
    return { start: shared, status: 'proved', lowest }
  // For other roles nobody is asked to speak: the border is the first character they wrote.
  if (!isAssistant) return { start: first.start, status: 'aligned', lowest }
  const aligned = align(turn, prompt, shared, lowest, first.start)
  return aligned === undefined
    ? { start: first.start, status: 'inferred', lowest }
    : { start: aligned, status: 'aligned', lowest }
}

function promptBefore({ beginning, message }: Turn): string | undefined {
  return tryText(() => beginning(message, true))
}

/** A turn that says nothing: only its prompt can tell where it is, and only its stop token is learned. */
function emptyTurn({ ownership, facts }: Turn, start: number): TurnStart | undefined {
  const rest = ownership.text.slice(start)
  const follows = facts.stopTokens.some((token) => rest.trimStart().startsWith(token))
  return follows && start > 0 ? { start, status: 'proved', lowest: start } : undefined
}

/** The end of the last character before `offset` that another message wrote. */
function lastForeignEnd({ owned }: Ownership, message: number, offset: number): number {
  let end = 0
  for (const segment of owned) {
    if (segment.start >= offset) break
    if (segment.message !== message) end = segment.end
  }
  return end
}

function align(
  { ownership, facts }: Turn,
  prompt: string | undefined,
  shared: number,
  lowest: number,
  first: number,
): number | undefined {
  const { text } = ownership
  const cue = cueOf(facts.cue)
  if (cue === '') return undefined
  // The prompt runs along with the text through the cue, and leaves it in the turn.
  if (prompt !== undefined && prompt.endsWith(facts.cue)) {
    const end = prompt.length - facts.cue.length + cue.length
    if (end <= shared && end >= lowest && end <= first) return end
  }
  // Earlier turns differ from what the prompt shows of them: look for the cue itself before the message.
  const before = text.slice(lowest, first)
  const trimmed = cue.trimEnd()
  const at = before.lastIndexOf(trimmed)
  if (at === -1) return undefined
  let end = trimmed.length
  while (end < cue.length && before.charAt(at + end) === cue.charAt(end)) end += 1
  return lowest + at + end
}

/**
 * The part of a generation prompt that says who speaks: up to its first line's end, and not into the thinking
 * that it may open or skip. `<|im_start|>assistant\n<think>\n` has the cue `<|im_start|>assistant\n`.
 */
function cueOf(asked: string): string {
  return /^\s*(?:(?!<think>)[^\n])*\n*/.exec(asked)?.[0] ?? ''
}
