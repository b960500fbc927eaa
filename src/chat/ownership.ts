import type { Rendered, Segment, TextSpan } from './messages.ts'

/** Fields that belong to the turn's header, not to what the message says. */
const headerFields: ReadonlySet<string> = new Set(['role', 'name', 'tool_call_id', 'recipient', 'channel'])

/** A segment that some message wrote. */
export interface OwnedSegment extends Segment {
  message: number
  field: string
}

/** Who owns what in a rendered text, looked up by message. */
export interface Ownership {
  readonly text: string
  /** What a message says, in the order of the text; headers left out. */
  contentOf(message: number): readonly OwnedSegment[]
  /** All segments of messages, headers too, in order. */
  readonly owned: readonly OwnedSegment[]
  /** Whether no message wrote any character of the span. */
  isLiteral(span: TextSpan): boolean
}

function isOwned(segment: Segment): segment is OwnedSegment {
  return segment.message !== undefined && segment.field !== undefined
}

/** Whether a segment holds what the message says. */
function isContent(segment: OwnedSegment): boolean {
  return !headerFields.has(segment.field)
}

/** Indexes the segments of a text. */
export function ownershipOf({ text, segments }: Rendered): Ownership {
  const owned = segments.filter(isOwned)
  const byMessage = new Map<number, OwnedSegment[]>()
  for (const segment of owned) {
    if (!isContent(segment)) continue
    const list = byMessage.get(segment.message)
    if (list === undefined) byMessage.set(segment.message, [segment])
    else list.push(segment)
  }
  return {
    text,
    owned,
    contentOf: (message) => byMessage.get(message) ?? [],
    isLiteral: ({ start, end }) => {
      const index = firstEndingAfter(owned, start)
      const segment = owned[index]
      return segment === undefined || segment.start >= end
    },
  }
}

/** The index of the first segment that ends behind an offset. */
function firstEndingAfter(segments: readonly Segment[], offset: number): number {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((segments[middle]?.end ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

/** The length of the common beginning of two texts. */
export function commonPrefixLength(left: string, right: string): number {
  const most = Math.min(left.length, right.length)
  // Whole texts are most often equal up to the shorter one's end, which one comparison tells.
  if (left.startsWith(right.slice(0, most))) return most
  let low = 0
  let high = most
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (left.startsWith(right.slice(low, middle), low)) low = middle
    else high = middle - 1
  }
  return low
}
