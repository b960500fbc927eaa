/*
 * Patterns of file names as `datasets` reads them (fsspec's glob): `*` and `?` within a name, `[a-z]` and `[!a]` one of some
 * characters, `**` any folders. They are compared by walking, never by backtracking: a pattern may come from a file.
 */

/** Whether a text is a pattern rather than a name. */
export function hasWildcards(text: string): boolean {
  return /[*?[]/.test(text)
}

/** A character of a pattern: any text, any character, one of some, or itself. */
type Token = '*' | ((character: string) => boolean)

/**
 * Whether a path matches a pattern; both have `/` between names. `é` is one character or two with one meaning: copies from macOS have two,
 * keyboards give one.
 */
export function matchesGlob(path: string, pattern: string): boolean {
  const names = path.normalize().split('/')
  const parts = pattern
    .normalize()
    .split('/')
    .flatMap((part, i, all): (string | '**')[] => {
      // `**.csv` is a name of which the beginning may be folders.
      if (part !== '**' && part.includes('**')) return ['**', part.replaceAll(/\*{2,}/g, '*')]
      // The last `**` stands for names as well as folders.
      return part === '**' && i === all.length - 1 ? ['**', '*'] : [part]
    })
  return walk(
    names,
    parts,
    (part) => part === '**',
    (name, part) => matchesName(name, part),
  )
}

function matchesName(name: string, pattern: string): boolean {
  if (!hasWildcards(pattern)) return name === pattern
  return walk(
    [...name],
    tokensOf(pattern),
    (token) => token === '*',
    (character, token) => token !== '*' && token(character),
  )
}

/** Compares items with a pattern in which some parts stand for any number of items. */
function walk<Item, Part>(
  items: readonly Item[],
  parts: readonly Part[],
  isAny: (part: Part) => boolean,
  matches: (item: Item, part: Part) => boolean,
): boolean {
  let item = 0
  let part = 0
  /** Where to go on when the last part that stands for many has to take one more. */
  let retry: { item: number; part: number } | undefined
  while (item < items.length) {
    if (part < parts.length && isAny(parts[part])) {
      part += 1
      retry = { item, part }
    } else if (part < parts.length && matches(items[item], parts[part])) {
      item += 1
      part += 1
    } else if (retry === undefined) return false
    else {
      retry.item += 1
      item = retry.item
      part = retry.part
    }
  }
  return parts.slice(part).every(isAny)
}

function tokensOf(pattern: string): Token[] {
  const characters = [...pattern]
  const tokens: Token[] = []
  for (let i = 0; i < characters.length; i += 1) {
    const character = characters[i]
    const set = character === '[' ? setAt(characters, i) : undefined
    if (set !== undefined) {
      tokens.push(set.has)
      i = set.end
    } else if (character === '*') tokens.push('*')
    else if (character === '?') tokens.push(() => true)
    else tokens.push((own) => own === character)
  }
  return tokens
}

/** The set of characters that begins at a bracket; undefined where it does not end, and the bracket is one. */
function setAt(
  characters: readonly string[],
  start: number,
): { has: (character: string) => boolean; end: number } | undefined {
  const isNegated = characters[start + 1] === '!'
  const from = start + (isNegated ? 2 : 1)
  // A bracket right at the beginning belongs to the set.
  const end = characters.indexOf(']', from + 1)
  if (end < 0) return undefined
  const inside = characters.slice(from, end)
  const singles = new Set<string>()
  const ranges: [string, string][] = []
  for (let i = 0; i < inside.length; i += 1) {
    if (inside[i + 1] === '-' && i + 2 < inside.length) {
      ranges.push([inside[i], inside[i + 2]])
      i += 2
    } else singles.add(inside[i])
  }
  const has = (own: string): boolean =>
    (singles.has(own) || ranges.some(([low, high]) => low <= own && own <= high)) !== isNegated
  return { has, end }
}
