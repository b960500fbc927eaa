/**
 * A text and, for each of its UTF-16 units, the characters [start, end) of the original text that it stands for. The steps of a
 * tokenizer change the text and keep that up, so that each token knows its characters.
 */
export interface AlignedText {
  readonly text: string
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/**
 * A character of a changed text, and what became of the old ones there: 0 in place of one, 1 beside the one before, -n in place
 * of one and n that follow it.
 */
export type Change = readonly [character: string, change: number]

/** A text that stands for itself. */
export function alignedText(text: string): AlignedText {
  const starts = new Int32Array(text.length)
  const ends = new Int32Array(text.length)
  for (let at = 0; at < text.length;) {
    const end = at + lengthAt(text, at)
    starts.fill(at, at, end)
    ends.fill(end, at, end)
    at = end
  }
  return { text, starts, ends }
}

/** Units of the character at an index. */
export function lengthAt(text: string, at: number): 1 | 2 {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}

export function sliceText({ text, starts, ends }: AlignedText, start: number, end: number): AlignedText {
  return {
    text: text.slice(start, end),
    starts: starts.subarray(start, end),
    ends: ends.subarray(start, end),
  }
}

/** Puts characters before a text; they stand for its first. */
export function prependText({ text, starts, ends }: AlignedText, before: string): AlignedText {
  if (text === '') return { text, starts, ends }
  const longer = (alignments: Int32Array): Int32Array => {
    const result = new Int32Array(before.length + alignments.length)
    result.fill(alignments[0], 0, before.length)
    result.set(alignments, before.length)
    return result
  }
  return { text: before + text, starts: longer(starts), ends: longer(ends) }
}

/** Changes each character on its own: into several, which all stand for it, or into none. */
export function mapCharacters(aligned: AlignedText, map: (character: string) => string): AlignedText {
  const builder = makeBuilder(aligned)
  let at = 0
  for (const character of aligned.text) {
    builder.add(map(character), at)
    at += character.length
  }
  return builder.build()
}

/** Replaces each match, whose new characters stand for the last one of the old. */
export function replaceMatches(aligned: AlignedText, pattern: RegExp, content: string): AlignedText {
  const builder = makeBuilder(aligned)
  const { text } = aligned
  let position = 0
  for (const { 0: match, index } of text.matchAll(pattern)) {
    builder.keep(position, index)
    position = index + match.length
    builder.add(content, position - 1)
  }
  if (position === 0) return aligned
  builder.keep(position, text.length)
  return builder.build()
}

/** Applies changes that were found in the order of the text. */
export function applyChanges(aligned: AlignedText, changes: readonly Change[]): AlignedText {
  const { text } = aligned
  const builder = makeBuilder(aligned)
  let next = 0
  let before = 0
  const advance = (): void => {
    before = next
    if (next < text.length) next += lengthAt(text, next)
  }
  for (const [character, change] of changes) {
    builder.add(character, change > 0 ? before : next)
    for (let passed = change; passed <= 0; passed++) advance()
  }
  return builder.build()
}

/** Puts a new text together of parts of an old one and of characters that stand for one of its. */
function makeBuilder({ text, starts, ends }: AlignedText) {
  let result = ''
  const newStarts: number[] = []
  const newEnds: number[] = []
  const push = (at: number): void => {
    newStarts.push(starts[at])
    newEnds.push(ends[at])
  }
  return {
    /** Adds characters that stand for the one at an index. */
    add(characters: string, at: number): void {
      result += characters
      for (let i = 0; i < characters.length; i++) push(at)
    },
    keep(start: number, end: number): void {
      result += text.slice(start, end)
      for (let at = start; at < end; at++) push(at)
    },
    build: (): AlignedText => ({
      text: result,
      starts: Int32Array.from(newStarts),
      ends: Int32Array.from(newEnds),
    }),
  }
}
