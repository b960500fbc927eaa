import type { RenderBeginning } from './template.ts'
import { commonPrefixLength, type OwnedSegment, type Ownership } from './ownership.ts'
import { tryText, type TemplateFacts } from './stop-tokens.ts'

/** Where the learned part of a turn ends. */
export interface TurnEnd {
  readonly end: number
  /** The last of the stop tokens there; absent when the turn has none. */
  readonly stopToken?: string
  /** Where the first of the stop tokens begins. */
  readonly stopStart?: number
}

interface Turn {
  readonly beginning: RenderBeginning
  readonly ownership: Ownership
  readonly facts: TemplateFacts
  readonly stopTokens: readonly string[]
  readonly message: number
}

/** A stop token in the template's own text. */
interface Stop {
  readonly token: string
  readonly start: number
  readonly end: number
}

/**
 * The end of message i's turn: behind the stop token that follows its last character, and behind further ones
 * that only white space parts from it (an end-of-turn token and, at the end of the text, the eos).
 *
 * @param start  where the turn begins
 */
export function findTurnEnd(turn: Turn, start: number): TurnEnd {
  const { ownership, message } = turn
  const { text } = ownership
  const next = ownership.owned.find((segment) => segment.start >= start && segment.message > message)
  const own = ownership
    .contentOf(message)
    .filter((segment) => segment.end > start && segment.end <= (next?.start ?? text.length))
  const limit = next?.start ?? text.length
  const lastOwn = lastOwnEnd(turn, own, start, limit)
  const first = findStop(turn, lastOwn, limit)
  if (first === undefined) return { end: endWithoutStop(turn, lastOwn, limit) }
  let last = first
  for (
    let stop = stopBehindSpace(turn, last.end, limit);
    stop !== undefined;
    stop = stopBehindSpace(turn, last.end, limit)
  ) {
    last = stop
  }
  return { end: last.end, stopToken: last.token, stopStart: first.start }
}

/** The end of what the message says in this turn; a later turn may show parts of it again (a called tool's name). */
function lastOwnEnd(turn: Turn, own: readonly OwnedSegment[], start: number, limit: number): number {
  const last = own.at(-1)
  if (last === undefined) return start
  const isSplit = own.some((segment, index) => {
    const following = own[index + 1]
    return following !== undefined && findStop(turn, segment.end, following.start) !== undefined
  })
  if (!isSplit && findStop(turn, last.end, limit) !== undefined) return last.end
  const { beginning, message, ownership } = turn
  const until = tryText(() => beginning(message + 1, false))
  const shared = until === undefined ? 0 : commonPrefixLength(ownership.text, until)
  const inTurn = own.filter((segment) => segment.start < shared)
  return (inTurn.at(-1) ?? withoutEcho(turn, own) ?? last).end
}

/** The last segment before a stop token behind which the message only repeats what it said before. */
function withoutEcho(turn: Turn, own: readonly OwnedSegment[]): OwnedSegment | undefined {
  const { text } = turn.ownership
  const isEcho = (segment: OwnedSegment, index: number): boolean =>
    own.some((earlier, position) => {
      const isSame = text.slice(earlier.start, earlier.end) === text.slice(segment.start, segment.end)
      return position < index && isSame && earlier.field === segment.field
    })
  let kept = own.length
  while (kept > 0) {
    const segment = own[kept - 1]
    const before = own[kept - 2]
    if (segment === undefined || before === undefined || !isEcho(segment, kept - 1)) break
    kept -= 1
    if (findStop(turn, before.end, segment.start) !== undefined) return before
  }
  return undefined
}

function stopAt({ ownership, stopTokens }: Turn, offset: number): Stop | undefined {
  for (const token of stopTokens) {
    if (!ownership.text.startsWith(token, offset)) continue
    const stop = { token, start: offset, end: offset + token.length }
    // A message may quote a stop token; only the template's own ends a turn.
    if (ownership.isLiteral(stop)) return stop
  }
  return undefined
}

function findStop(turn: Turn, from: number, limit: number): Stop | undefined {
  // Only this stretch is searched: most of the tokens occur nowhere, and looking for them to the end costs.
  const tail = turn.ownership.text.slice(from, limit)
  let best: Stop | undefined
  for (const token of turn.stopTokens) {
    for (let at = tail.indexOf(token); at !== -1; at = tail.indexOf(token, at + 1)) {
      if (best !== undefined && from + at >= best.start) break
      const stop = { token, start: from + at, end: from + at + token.length }
      if (!turn.ownership.isLiteral(stop)) continue
      best = stop
      break
    }
  }
  return best === undefined || crossesHeader(turn, from, best.start) ? undefined : best
}

/** Whether the beginning of another turn stands between; its stop token is then not this turn's. */
function crossesHeader({ ownership, facts }: Turn, from: number, to: number): boolean {
  if (facts.opening === '') return false
  const between = ownership.text.slice(from, to)
  // A turn of several parts may open again, for the same speaker.
  return between.includes(facts.opening) && !between.includes(facts.generationPrompt.trim())
}

function stopBehindSpace(turn: Turn, from: number, limit: number): Stop | undefined {
  const { text } = turn.ownership
  let offset = from
  while (offset < limit && /\s/.test(text.charAt(offset))) offset += 1
  const stop = stopAt(turn, offset)
  return stop !== undefined && stop.end <= limit && turn.ownership.isLiteral({ start: from, end: offset + 1 })
    ? stop
    : undefined
}

/**
 * Before the beginning of what follows, or where the text ends that the conversation has up to this message: what a
 * template writes behind tool calls closes them. Without either, the message's last character.
 */
function endWithoutStop(turn: Turn, lastOwn: number, limit: number): number {
  const { ownership, facts, beginning, message } = turn
  const tail = ownership.text.slice(lastOwn, limit)
  const at = facts.opening === '' ? -1 : tail.indexOf(facts.opening)
  if (at !== -1) return lastOwn + at
  const until = tryText(() => beginning(message + 1, false))
  if (until === undefined || until.length > limit || !ownership.text.startsWith(until)) return lastOwn
  return Math.max(lastOwn, until.trimEnd().length)
}
