import { unsupported } from './options.ts'
import { unassigned } from './unicode.ts'

/*
 * The patterns of tokenizer.json are written for Oniguruma. What they use of it is translated here into JavaScript's `v` syntax,
 * so that they match the same characters; what may differ, such as anchors and references, is refused.
 * Source: https://github.com/kkos/oniguruma/blob/master/doc/RE
 */

const word = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]`

/** What the escapes that name a set of characters stand for, inside a class. */
const sets: Readonly<Record<string, string>> = {
  s: String.raw`\p{White_Space}`,
  S: String.raw`\P{White_Space}`,
  d: known(String.raw`\p{Nd}`),
  D: negated(known(String.raw`\p{Nd}`)),
  w: known(word),
  W: negated(known(word)),
  h: '[0-9A-Fa-f]',
  H: '[^0-9A-Fa-f]',
}

/** Outside a class, the numbers of Latin-1 that are no digits are word characters as well. */
const setsOutside: Readonly<Record<string, string>> = {
  ...sets,
  w: known(`[${word}²³¹¼-¾]`),
  W: negated(known(`[${word}²³¹¼-¾]`)),
}

const controls: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  a: '\u0007',
  e: '\u001b',
}

/** What a letter matches besides its other case where case does not count. */
const folds: Readonly<Record<string, string>> = { s: '\u017f', k: '\u212a' }

/** Letters that together match a single character (ß, ﬁ, ﬆ) where case does not count. */
const ligatures = /ss|ff|f[il]|st/i

/**
 * A global regular expression that matches what Oniguruma's pattern matches.
 *
 * @throws FettleError for what is not translated, and for a pattern that matches nothing between characters
 */
export function compilePattern(source: string, place: string): RegExp {
  const refuse = (found: string) =>
    unsupported(place, `${found} in the pattern ${source}`, 'a pattern without it')
  const compiled = compile(translate(source, refuse), refuse)
  if (compiled.test('')) throw refuse('a match of no characters')
  compiled.lastIndex = 0
  return compiled
}

/** A global regular expression that matches a text as it is. */
export function literalPattern(text: string, place: string): RegExp {
  if (text === '') throw unsupported(place, 'an empty text', 'characters to look for')
  return new RegExp(Array.from(text, literal).join(''), 'gv')
}

type Refuse = (found: string) => Error

function compile(translated: string, refuse: Refuse): RegExp {
  try {
    return new RegExp(translated, 'gv')
  } catch {
    throw refuse('something that JavaScript does not know')
  }
}

function translate(source: string, refuse: Refuse): string {
  const characters = [...source]
  let at = 0
  let groups = 0

  const peek = (text: string): boolean => characters.slice(at, at + text.length).join('') === text
  const take = (text: string): boolean => {
    if (!peek(text)) return false
    at += text.length
    return true
  }
  const rest = (): string => characters.slice(at).join('')
  const next = (): string => {
    const character = characters.at(at++)
    if (character === undefined || at > characters.length) throw refuse('an end too soon')
    return character
  }

  function alternatives(ignoreCase: boolean): string {
    let result = ''
    while (at < characters.length && !peek(')')) {
      result += take('|') ? '|' : repeated(ignoreCase)
    }
    return result
  }

  function repeated(ignoreCase: boolean): string {
    const two = characters.slice(at, at + 2).join('')
    if (ignoreCase && ligatures.test(two)) throw refuse(`'${two}' without regard to case`)
    const one = atom(ignoreCase)
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})/.exec(rest())?.[0]
    if (quantifier === undefined) return one
    at += quantifier.length
    const count = quantifier.replace('{,', '{0,')
    const isBrace = quantifier.startsWith('{')
    const isPossessive = !isBrace && take('+')
    const isLazy = !isPossessive && (!isBrace || quantifier.includes(',')) && take('?')
    if (/[*+?{]/.test(characters.at(at) ?? '')) throw refuse('a repetition of a repetition')
    return isPossessive ? atomic(`${one}${count}`) : `${one}${count}${isLazy ? '?' : ''}`
  }

  /** What is matched without trying again otherwise: a look ahead does not. */
  function atomic(inside: string): string {
    const name = `a${groups++}`
    return `(?:(?=(?<${name}>${inside}))\\k<${name}>)`
  }

  function atom(ignoreCase: boolean): string {
    const character = next()
    switch (character) {
      case '(':
        return group(ignoreCase)
      case '[':
        return classOf(ignoreCase)
      case '.':
        return String.raw`[^\n]`
      case '\\':
        return escape(setsOutside) ?? cased(literalEscape(), ignoreCase)
      case '^':
      case '$':
      case '*':
      case '+':
      case '?':
        throw refuse(`'${character}'`)
      default:
        return cased(character, ignoreCase)
    }
  }

  function group(ignoreCase: boolean): string {
    let opening = '(?:'
    let inner = ignoreCase
    let isAtomic = false
    if (take('?')) {
      if (take('i:')) inner = true
      else if (take('-i:')) inner = false
      else if (take('>')) isAtomic = true
      else if (!take(':')) {
        const look = ['=', '!', '<=', '<!'].find(take)
        if (look === undefined) throw refuse(`'(?${characters.at(at) ?? ''}'`)
        opening = `(?${look}`
      }
    }
    const inside = alternatives(inner)
    if (!take(')')) throw refuse("a '(' without ')'")
    return isAtomic ? atomic(inside) : `${opening}${inside})`
  }

  /** A set of characters by its escape, or nothing where the escape is one character. */
  function escape(named: typeof sets): string | undefined {
    const name = characters.at(at) ?? ''
    if (Object.hasOwn(named, name)) {
      at++
      return `[${named[name]}]`
    }
    if (name !== 'p' && name !== 'P') return undefined
    const [whole, hat, property] = /^[pP]\{(\^?)(\w+)\}/.exec(rest()) ?? []
    if (whole === undefined) throw refuse(`'\\${name}'`)
    at += whole.length
    const positive = propertyOf(property, refuse)
    return (name === 'P') === (hat === '^') ? `[${positive}]` : negated(positive)
  }

  function literalEscape(): string {
    const [whole, short, long] = /^(?:u([\da-fA-F]{4})|x\{([\da-fA-F]{1,6})\})/.exec(rest()) ?? []
    if (whole !== undefined) {
      at += whole.length
      return String.fromCodePoint(parseInt(short ?? long, 16))
    }
    const name = next()
    if (Object.hasOwn(controls, name)) return controls[name]
    if (/[\dA-Za-z]/.test(name)) throw refuse(`'\\${name}'`)
    return name
  }

  /** A class; its parts before and behind `&&` become classes of their own. */
  function classOf(ignoreCase: boolean): string {
    const isNegative = take('^')
    if (peek(']')) throw refuse("'[]'")
    const parts = ['']
    while (!take(']')) {
      if (take('&&')) parts.push('')
      else parts[parts.length - 1] += classItem(ignoreCase)
    }
    const inside = parts.length === 1 ? parts[0] : parts.map((part) => `[${part}]`).join('&&')
    return `[${isNegative ? '^' : ''}${inside}]`
  }

  function classItem(ignoreCase: boolean): string {
    if (/^\[:\^?\w+:\]/.test(rest())) throw refuse("'[:'")
    if (take('[')) return classOf(ignoreCase)
    const first = next()
    if (first === '\\') {
      const set = escape(sets)
      if (set !== undefined) return set
    }
    const from = first === '\\' ? literalEscape() : first
    const isRange = peek('-') && characters[at + 1] !== ']' && characters[at + 1] !== undefined
    if (!isRange || from === '-') return variants(from, ignoreCase).map(literal).join('')
    at++
    const last = next()
    if (last === '[' || (last === '\\' && escape(sets) !== undefined)) throw refuse('a range to a set')
    if (ignoreCase) throw refuse('a range without regard to case')
    return `${literal(from)}-${literal(last === '\\' ? literalEscape() : last)}`
  }

  function variants(character: string, ignoreCase: boolean): string[] {
    if (!ignoreCase) return [character]
    if (/[a-z]/i.test(character)) {
      const lower = character.toLowerCase()
      return [lower, lower.toUpperCase(), ...(folds[lower] ?? '')]
    }
    if (/[^\0-\x7f]/.test(character)) throw refuse(`'${character}' without regard to case`)
    return [character]
  }

  function cased(character: string, ignoreCase: boolean): string {
    const all = variants(character, ignoreCase).map(literal)
    return all.length === 1 ? all[0] : `[${all.join('')}]`
  }

  const result = alternatives(false)
  if (at < characters.length) throw refuse("a ')' without '('")
  return result
}

/** Characters of Unicode categories and scripts, without those that Oniguruma does not know. */
function propertyOf(name: string, refuse: Refuse): string {
  for (const property of [`gc=${name}`, `sc=${name}`]) {
    if (!isProperty(property)) continue
    if (/^(C|Cn|Other|Unassigned)$/.test(name)) return `[\\p{${property}}${unassigned}]`
    // A letter that changed its kind in Unicode 17.
    if (/^(Ll|Lowercase_Letter)$/.test(name)) return known(`[\\p{Ll}\\u0295]`)
    if (/^(Lo|Other_Letter)$/.test(name)) return known(`[\\p{Lo}--\\u0295]`)
    return known(`\\p{${property}}`)
  }
  throw refuse(`'\\p{${name}}'`)
}

function isProperty(property: string): boolean {
  try {
    return new RegExp(`\\p{${property}}`, 'v').flags === 'v'
  } catch {
    return false
  }
}

function known(set: string): string {
  return `[${set}--[${unassigned}]]`
}

function negated(set: string): string {
  return `[^${set}]`
}

/** A character that means itself, in a class or outside. */
function literal(character: string): string {
  return /[\dA-Za-z]/.test(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
