/**
 * Matches texts as they are, of several that begin at one place the longest, as added tokens are matched; `undefined` for no
 * texts. The pattern is one group, so that `split` gives what it matched as well.
 */
export function longestFirst(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined
  const sorted = texts.toSorted((left, right) => right.length - left.length)
  const escaped = sorted.map((text) => text.replace(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`))
  return new RegExp(`(${escaped.join('|')})`, 'g')
}
