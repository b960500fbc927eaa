/**
 * A text and, for each of its UTF-16 units, the characters [start, end) of the original text that it stands for. The steps of a
 * tokenizer change the text and keep that up, so that each token knows its characters.
 */
export interface AlignedText {
  readonly text: string
  /** Where the original text begins that this one is a part of, character for character; undefined for one that was changed. */
  readonly offset: number | undefined
  /** Of a changed text, for each unit; otherwise empty. */
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/**
 * A character of a changed text, and what became of the old ones there: 0 in place of one, 1 beside the one before, -n in place
 * of one and n that follow it.
 */
export type Change = readonly [character: string, change: number]

const none = new Int32Array(0)

/** A text that stands for itself. */
export function alignedText(text: string, offset = 0): AlignedText {
  return { text, offset, starts: none, ends: none }
}

/** Units of the character at an index. */
export function lengthAt(text: string, at: number): 1 | 2 {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}

/** Where the original characters begin that a unit stands for. */
export function startAt({ text, offset, starts }: AlignedText, at: number): number {
  if (offset === undefined) return starts[at]
  return offset + at - (at > 0 && lengthAt(text, at - 1) === 2 ? 1 : 0)
}

/** Where they end. */
export function endAt({ text, offset, ends }: AlignedText, at: number): number {
  return offset === undefined ? ends[at] : offset + at + lengthAt(text, at)
}

export function sliceText(aligned: AlignedText, start: number, end: number): AlignedText {
  const { text, offset, starts, ends } = aligned
  if (start === 0 && end === text.length) return aligned
  return {
    text: text.slice(start, end),
    offset: offset === undefined ? undefined : offset + start,
    starts: starts.subarray(start, end),
    ends: ends.subarray(start, end),
  }
}

/** Texts as one. */
export function joinTexts(texts: readonly AlignedText[]): AlignedText {
  if (texts.length === 1) return texts[0]
  const text = texts.map((part) => part.text).join('')
  const starts = new Int32Array(text.length)
  const ends = new Int32Array(text.length)
  let at = 0
  for (const part of texts)
    for (let i = 0; i < part.text.length; i++, at++) {
      starts[at] = startAt(part, i)
      ends[at] = endAt(part, i)
    }
  return { text, offset: undefined, starts, ends }
}

/** Puts characters before a text; they stand for its first. */
export function prependText(aligned: AlignedText, before: string): AlignedText {
  const { text } = aligned
  if (text === '' || before === '') return aligned
  const longer = (placeOf: typeof startAt): Int32Array => {
    const result = new Int32Array(before.length + text.length).fill(placeOf(aligned, 0), 0, before.length)
    for (let at = 0; at < text.length; at++) result[before.length + at] = placeOf(aligned, at)
    return result
  }
  return { text: before + text, offset: undefined, starts: longer(startAt), ends: longer(endAt) }
}

/** Changes each character on its own: into several, which all stand for it, or into none. */
export function mapCharacters(aligned: AlignedText, map: (character: string) => string): AlignedText {
  // Most texts stay as they are.
  let builder: ReturnType<typeof makeBuilder> | undefined
  let at = 0
  for (const character of aligned.text) {
    const mapped = map(character)
    if (builder === undefined && mapped !== character) {
      builder = makeBuilder(aligned)
      builder.keep(0, at)
    }
    builder?.add(mapped, at)
    at += character.length
  }
  return builder?.build() ?? aligned
}

/**
 * Replaces stretches of a text, whose new characters stand for the last one of the old.
 *
 * @param matches  start and end of each stretch, one after the other
 */
export function replaceMatches(
  aligned: AlignedText,
  matches: readonly number[],
  content: string,
): AlignedText {
  if (matches.length === 0) return aligned
  const { text } = aligned
  const builder = makeBuilder(aligned)
  let position = 0
  for (let i = 0; i < matches.length; i += 2) {
    builder.keep(position, matches[i])
    position = matches[i + 1]
    builder.add(content, position - 1)
  }
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
function makeBuilder(aligned: AlignedText) {
  const parts: string[] = []
  let size = 0
  let starts = new Int32Array(aligned.text.length + 16)
  let ends = new Int32Array(aligned.text.length + 16)
  const reserve = (count: number): void => {
    if (size + count <= starts.length) return
    const longer = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const result = new Int32Array(2 * (size + count))
      result.set(old)
      return result
    }
    starts = longer(starts)
    ends = longer(ends)
  }
  return {
    /** Adds characters that stand for the one at an index. */
    add(characters: string, at: number): void {
      if (characters === '') return
      parts.push(characters)
      reserve(characters.length)
      starts.fill(startAt(aligned, at), size, size + characters.length)
      ends.fill(endAt(aligned, at), size, size + characters.length)
      size += characters.length
    },
    keep(start: number, end: number): void {
      if (start === end) return
      parts.push(aligned.text.slice(start, end))
      reserve(end - start)
      for (let at = start; at < end; at++, size++) {
        starts[size] = startAt(aligned, at)
        ends[size] = endAt(aligned, at)
      }
    },
    build: (): AlignedText => ({
      text: parts.join(''),
      offset: undefined,
      starts: starts.subarray(0, size),
      ends: ends.subarray(0, size),
    }),
  }
}
