import type { RenderBeginning, RenderedBeginning, RenderOptions } from './template.ts'
import type { Ownership } from './ownership.ts'
import { tryText, type TemplateFacts } from './stop-tokens.ts'
import type { SpanStatus, TextSpan } from './messages.ts'

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
  readonly stopTokens: readonly string[]
  readonly message: number
}

/** What serving would send for a turn, held against the text. */
interface Prompt {
  /** The messages before the turn and the generation prompt; undefined where the template refuses them. */
  readonly asked: RenderedBeginning | undefined
  /** Whether the text begins with it. */
  readonly isPrefix: boolean
}

/**
 * The beginning of message i's turn. Proved: the prompt that serving would send (the messages before it and the
 * generation prompt) is a beginning of the text and reaches into the turn. Aligned: only a part of the generation
 * prompt stands before the message. Inferred: the message's first character.
 */
export function findTurnStart(turn: Turn): TurnStart | undefined {
  const { ownership, message, options } = turn
  const [first] = ownership.contentOf(message)
  const isAssistant = options.messages[message]?.role === 'assistant'
  const prompt = isAssistant ? promptBefore(turn) : unknownPrompt
  if (first === undefined) return isAssistant ? emptyTurn(turn, prompt) : undefined

  const lowest = lastForeignEnd(ownership, message, first.start)
  const end = prompt.asked?.text.length ?? 0
  if (prompt.isPrefix && end >= lowest && end <= first.start && opensTurn(turn, prompt, end, first.start))
    return { start: end, status: 'proved', lowest }
  // For other roles nobody is asked to speak: the border is the first character they wrote.
  if (!isAssistant) return { start: first.start, status: 'aligned', lowest }
  const aligned = align(turn, prompt, { start: lowest, end: first.start })
  return aligned === undefined
    ? { start: first.start, status: 'inferred', lowest }
    : { start: aligned, status: 'aligned', lowest }
}

const unknownPrompt: Prompt = { asked: undefined, isPrefix: false }

function promptBefore({ beginning, message, ownership }: Turn): Prompt {
  try {
    const asked = beginning(message, true)
    return { asked, isPrefix: ownership.text.startsWith(asked.text) }
  } catch {
    return unknownPrompt
  }
}

/**
 * Whether what stands between the prompt and the message's first character belongs to the turn. A template may leave
 * a last answer open, so that the prompt ends in it; and of no messages it may make nothing at all.
 */
function opensTurn(turn: Turn, { asked }: Prompt, from: number, to: number): boolean {
  const { ownership, beginning, message, stopTokens, facts } = turn
  if (message === 0 && asked?.text === tryText(() => beginning(0, false))) return from === to
  const between = ownership.text.slice(from, to)
  const cue = facts.cue.trim()
  if (between === '') return true
  return !stopTokens.some((token) => between.includes(token)) && (cue === '' || !between.includes(cue))
}

/**
 * A turn that says nothing: what the template writes for it is what this message adds to the text. Its stop token is
 * learned where it has one. A message for which nothing is written has no turn.
 */
function emptyTurn(turn: Turn, prompt: Prompt): TurnStart | undefined {
  const { beginning, message, ownership } = turn
  const { text, owned } = ownership
  const before = tryText(() => beginning(message, false))
  const until = tryText(() => beginning(message + 1, false))
  if (before === undefined || until === undefined || until.length <= before.length) return undefined
  const foreign = owned.findLast((segment) => segment.message < message)?.end ?? 0
  const next = owned.find((segment) => segment.start >= foreign && segment.message > message)
  const lowest = Math.max(foreign, text.startsWith(before) ? before.length : 0)
  const end = Math.min(next?.start ?? text.length, text.startsWith(until) ? until.length : text.length)
  const asked = prompt.asked?.text.length ?? 0
  if (prompt.isPrefix && asked >= lowest && asked <= end && asked > 0)
    return { start: asked, status: 'proved', lowest }
  // The template may end the text with another prompt: of several the first is this turn's.
  const aligned = align(turn, prompt, { start: lowest, end }, 'first')
  return aligned === undefined ? undefined : { start: aligned, status: 'aligned', lowest }
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

/**
 * Looks for the generation prompt, or for a part of it that says who speaks, in the text before a message. A prompt that
 * names no speaker, as after a tool's answer, is known by what stands before it.
 */
function align(
  turn: Turn,
  { asked }: Prompt,
  { start: lowest, end: first }: TextSpan,
  which: 'first' | 'last' = 'last',
): number | undefined {
  const { ownership, facts, beginning, message } = turn
  const before = ownership.text.slice(lowest, first)
  const unasked = asked === undefined ? undefined : tryText(() => beginning(message, false))
  const own =
    asked !== undefined && unasked !== undefined && asked.text.startsWith(unasked)
      ? asked.text.slice(unasked.length)
      : ''
  for (const cue of own === '' || own === facts.cue ? [facts.cue] : [own, facts.cue]) {
    const found = alignCue(cue, before, facts.userIntroduction, which)
    if (found !== undefined) return lowest + found
  }
  const tail = asked?.literalTail ?? ''
  const borders = bordersOf(tail)
  if (speakerOf(own, bordersOf(own), facts.userIntroduction).trim() !== '') return undefined
  const shared = borders.findLast(
    (border) => border >= tail.length - own.length && before.startsWith(tail.slice(0, border)),
  )
  if (shared === undefined) return undefined
  return lowest + shared + suppliedBehind(before.slice(shared), tail, borders)
}

/** How much of the text behind a part of the prompt is the prompt's own ending, which serving supplies as well. */
function suppliedBehind(rest: string, cue: string, borders: readonly number[]): number {
  const endings = borders.map((border) => cue.slice(border))
  return endings.find((ending) => ending.trim() !== '' && rest.startsWith(ending))?.length ?? 0
}

/**
 * Where in the text before an answer its generation prompt ends: behind the whole prompt, or behind the part of it
 * that says who speaks, and behind what else of the prompt leads up to the answer's first character.
 * `<｜Assistant｜><think></think>` is found in `<｜Assistant｜></think>`, whose `</think>` serving supplies as well.
 */
function alignCue(
  cue: string,
  before: string,
  userIntroduction: string,
  which: 'first' | 'last',
): number | undefined {
  const borders = bordersOf(cue)
  const found = [cue, speakerOf(cue, borders, userIntroduction)].flatMap((beginning) => {
    const words = beginning.trimEnd()
    // What a question begins with as well does not say that the assistant speaks.
    if (words === '' || userIntroduction.includes(words)) return []
    const at = which === 'first' ? before.indexOf(words) : before.lastIndexOf(words)
    return at === -1 ? [] : [{ beginning, at, length: words.length }]
  })
  const earliest = Math.min(...found.map(({ at }) => at))
  const best = which === 'first' ? found.find(({ at }) => at === earliest) : found[0]
  if (best === undefined) return undefined
  const { beginning, at } = best
  let { length } = best
  while (length < beginning.length && before.charAt(at + length) === beginning.charAt(length)) length += 1
  const end = at + length
  return beginning === cue ? end : end + suppliedBehind(before.slice(end), cue, borders)
}

/** Where a generation prompt may be parted: behind each token in angles or brackets, each word run and each newline. */
function bordersOf(cue: string): number[] {
  return Array.from(
    cue.matchAll(/<[^<>\s]+>|\[[^[\]\s]+\]|\n|[^<[\n]+|[<[]/g),
    ({ index, 0: part }) => index + part.length,
  )
}

/**
 * The part of a generation prompt that says who speaks: up to its first line's end, and not into the thinking that it
 * may open or skip. `<|im_start|>assistant\n<think>\n` has the part `<|im_start|>assistant\n`.
 */
function speakerOf(cue: string, borders: readonly number[], userIntroduction: string): string {
  let end = 0
  let isKnown = false
  for (const border of borders) {
    const part = cue.slice(end, border)
    const isNextLine = part !== '\n' && cue.charAt(end - 1) === '\n'
    if (/think|thought|reason|channel/i.test(part) || (isKnown && isNextLine)) break
    end = border
    isKnown ||= !userIntroduction.includes(cue.slice(0, border).trimEnd())
  }
  return isKnown ? cue.slice(0, end) : ''
}
