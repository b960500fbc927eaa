/** Turns ids into text; `Tokenizer.decode` without its options. */
type Decode = (ids: readonly number[]) => string

/** Turns tokens into text as they come. */
export interface DecodeStream {
  /** The text that this token completes; empty while a character is unfinished. */
  push(id: number): string
  /** What is left at the end, finished or not. */
  flush(): string
}

/** A character has at most four bytes, so that many tokens can be waiting for its end; beyond, it is broken. */
const maxWaiting = 8

/**
 * Decodes token by token without ever showing half a character. Each step decodes the last few tokens twice,
 * without and with the new one, because how a token reads may depend on the one before it (a leading space,
 * a suffix).
 */
export function makeDecodeStream(decode: Decode): DecodeStream {
  // ids[0, read) are shown already and stay as context; ids[read, …) wait.
  let ids: number[] = []
  let read = 0
  const advance = (text: string, shown: number): string => {
    ids = ids.slice(read)
    read = ids.length
    return text.slice(shown)
  }
  return {
    push(id) {
      ids.push(id)
      const before = decode(ids.slice(0, read))
      const text = decode(ids)
      const unfinished = text.endsWith('\uFFFD') && ids.length - read < maxWaiting
      return unfinished || text.length <= before.length ? '' : advance(text, before.length)
    },
    flush() {
      const shown = decode(ids.slice(0, read)).length
      const rest = advance(decode(ids), shown)
      ids = []
      read = 0
      return rest
    },
  }
}
