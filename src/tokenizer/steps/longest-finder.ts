/** A text that was found: [start, end) and what belongs to it. */
interface Found<T> {
  readonly start: number
  readonly end: number
  readonly value: T
}

/** What can follow the characters so far, and what belongs to them if they are a text. */
interface Branch<T> {
  readonly next: Map<number, Branch<T>>
  value: T | undefined
}

/**
 * Finds the first of several texts in a part of a text, and of those that begin at one place the longest, as added tokens are
 * matched. Of equal texts the last counts.
 */
export function longestFinder<T>(
  entries: readonly (readonly [text: string, value: T])[],
): (text: string, from: number, last: number) => Found<T> | undefined {
  const root: Branch<T> = { next: new Map(), value: undefined }
  const begins = new Uint8Array(entries.length === 0 ? 0 : 0x10000)
  for (const [text, value] of entries) {
    begins[text.charCodeAt(0)] = 1
    let branch = root
    for (let i = 0; i < text.length; i++) {
      let next = branch.next.get(text.charCodeAt(i))
      if (next === undefined)
        branch.next.set(text.charCodeAt(i), (next = { next: new Map(), value: undefined }))
      branch = next
    }
    branch.value = value
  }
  // Looking for one character is what engines are fastest at; most tokenizers' added tokens begin with `<`.
  const onlyFirst = root.next.size === 1 ? entries[0][0][0] : undefined
  const nextStart = (text: string, from: number, last: number): number => {
    if (onlyFirst !== undefined) {
      const at = text.indexOf(onlyFirst, from)
      return at === -1 ? last : at
    }
    let start = from
    while (start < last && begins[text.charCodeAt(start)] === 0) start++
    return start
  }
  return (text, from, last) => {
    if (entries.length === 0) return undefined
    for (let start = nextStart(text, from, last); start < last; start = nextStart(text, start + 1, last)) {
      let branch = root.next.get(text.charCodeAt(start))
      let found: Found<T> | undefined
      for (let at = start + 1; branch !== undefined; at++) {
        if (branch.value !== undefined) found = { start, end: at, value: branch.value }
        branch = at < last ? branch.next.get(text.charCodeAt(at)) : undefined
      }
      if (found !== undefined) return found
    }
    return undefined
  }
}
