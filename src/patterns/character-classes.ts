import type { CharacterSet, Dialect } from './syntax.ts'

/*
 * What the two languages call sets of characters. Oniguruma knows Unicode 16 and JavaScript the engine's version: what is newer
 * is taken out, or the tokens would not be those that a model was trained with.
 * Source: https://github.com/kkos/oniguruma/blob/master/doc/RE, https://docs.python.org/3/library/re.html
 */

/** Characters of Unicode 17, which are not assigned in Unicode 16; found by asking Oniguruma about each. */
const since17 =
  '88f c5c cdc 1acf-1add 1ae0-1aeb 20c1 2b96 a7ce-a7cf a7d2 a7d4 a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce 10940-10959 ' +
  '10ec5-10ec7 10ed0-10ed8 10efa-10efb 11b60-11b67 11db0-11ddb 11de0-11de9 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 ' +
  '187f8-187ff 18d09-18d1e 18d80-18df2 1ccfa-1ccfc 1ceba-1ced0 1cee0-1cef0 1e6c0-1e6de 1e6e0-1e6f5 1e6fe-1e6ff 1f6d8 ' +
  '1f777-1f77a 1f8d0-1f8d8 1fa54-1fa57 1fa8a 1fa8e 1fac8 1facd 1faea 1faef 1fbfa 2b73a-2b73f 2cea2-2cead 323b0-33479'

/** The inside of a class that holds what is unassigned in Unicode 16, though JavaScript may know it. */
export const unassigned = since17.replaceAll(/[\da-f]+/g, String.raw`\u{$&}`).replaceAll(' ', '')

function known(set: string): string {
  return `[${set}--[${unassigned}]]`
}

const onigurumaWord = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]`
/** Outside a class, the numbers of Latin-1 that are no digits are word characters as well. */
const onigurumaWordOutside = known(`[${onigurumaWord}²³¹¼-¾]`)
const pythonWord = String.raw`[\p{L}\p{N}_]`
const pythonSpace = String.raw`[\p{White_Space}\x1c-\x1f]`

/** What the escapes that name a set of characters stand for, inside a class. */
const insideClass: Readonly<Record<Dialect, Readonly<Record<string, string>>>> = {
  oniguruma: {
    s: String.raw`\p{White_Space}`,
    S: String.raw`\P{White_Space}`,
    d: known(String.raw`\p{Nd}`),
    D: negated(known(String.raw`\p{Nd}`)),
    w: known(onigurumaWord),
    W: negated(known(onigurumaWord)),
    h: '[0-9A-Fa-f]',
    H: '[^0-9A-Fa-f]',
  },
  python: {
    s: pythonSpace,
    S: negated(pythonSpace),
    d: String.raw`\p{Nd}`,
    D: String.raw`\P{Nd}`,
    w: pythonWord,
    W: negated(pythonWord),
  },
}

const outsideClass: typeof insideClass = {
  oniguruma: { ...insideClass.oniguruma, w: onigurumaWordOutside, W: negated(onigurumaWordOutside) },
  python: insideClass.python,
}

/** The set that an escape names, `\d`; undefined where it names none. */
export function namedSet(dialect: Dialect, name: string, isInClass: boolean): string | undefined {
  const sets = (isInClass ? insideClass : outsideClass)[dialect]
  return Object.hasOwn(sets, name) ? sets[name] : undefined
}

/** The characters of which words consist, for `\b`. */
export function wordSet(dialect: Dialect): CharacterSet {
  return { source: outsideClass[dialect].w, ignoreCase: false }
}

const posix: Readonly<Record<string, string>> = {
  alnum: String.raw`[\p{Alphabetic}\p{Nd}]`,
  alpha: String.raw`\p{Alphabetic}`,
  ascii: String.raw`[\0-\x7f]`,
  blank: String.raw`[\p{Zs}\t]`,
  cntrl: String.raw`\p{Cc}`,
  digit: String.raw`\p{Nd}`,
  lower: String.raw`\p{Lowercase}`,
  space: String.raw`\p{White_Space}`,
  upper: String.raw`\p{Uppercase}`,
  word: onigurumaWord,
  xdigit: '[0-9A-Fa-f]',
}

/** The set of a POSIX bracket's name, `[:digit:]`. */
export function posixSet(name: string): string | undefined {
  return Object.hasOwn(posix, name) ? known(posix[name]) : undefined
}

/** The characters of a Unicode category or script, without those that Oniguruma does not know. */
export function propertySet(name: string): string | undefined {
  if (name === 'Any') return String.raw`\p{Any}`
  for (const property of [`gc=${name}`, `sc=${name}`]) {
    if (!isProperty(property)) continue
    if (/^(C|Cn|Other|Unassigned)$/.test(name)) return `[\\p{${property}}${unassigned}]`
    // A letter that changed its kind in Unicode 17.
    if (/^(Ll|Lowercase_Letter)$/.test(name)) return known(String.raw`[\p{Ll}\u0295]`)
    if (/^(Lo|Other_Letter)$/.test(name)) return known(String.raw`[\p{Lo}--\u0295]`)
    return known(`\\p{${property}}`)
  }
  return posixSet(name.toLowerCase())
}

function isProperty(property: string): boolean {
  try {
    return new RegExp(`\\p{${property}}`, 'v').flags === 'v'
  } catch {
    return false
  }
}

export function negated(set: string): string {
  return `[^${set}]`
}

/** A character that means itself, in a class or outside. */
export function literalSource(character: string): string {
  return /[\dA-Za-z]/.test(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}

let folded: ReadonlySet<string> | undefined

/**
 * Whether two characters begin what together matches a single one where case does not count, as `ss` matches ß; only Oniguruma
 * folds so.
 */
export function foldsTogether(two: string): boolean {
  folded ??= multipleFolds()
  return folded.has(two.toLowerCase())
}

/** Whether a character matches several where case does not count. */
export function foldsApart(character: string): boolean {
  return [...character.toUpperCase()].length > 1 || [...character.toLowerCase()].length > 1
}

function multipleFolds(): Set<string> {
  const beginnings = new Set<string>()
  // No character beyond the presentation forms has several.
  for (let code = 0x80; code < 0xfb18; code++) {
    const folds = [...String.fromCharCode(code).toUpperCase().toLowerCase()]
    if (folds.length > 1) beginnings.add(folds.slice(0, 2).join(''))
  }
  return beginnings.add('i\u0307')
}
