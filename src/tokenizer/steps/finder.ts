import { quoteValue } from '../../error.ts'
import { compilePattern, stepBudget, type StepBudget } from '../../patterns/index.ts'
import { isJsonObject } from '../json.ts'
import { collect, unsupported, type Part } from './options.ts'

/**
 * Finds stretches of a text, or of a part of it, and appends the start and the end of each.
 *
 * @throws FettleError where a pattern has no more steps left
 */
export type Finder = (text: string, start: number, end: number, budget: StepBudget, found: number[]) => void

/** Finds each character of a kind, or each run of them. */
export function findCharacters(isOfKind: (character: string) => boolean, runs = false): Finder {
  // 1 yes, 2 no, 0 not known yet.
  const known = new Uint8Array(0x10000)
  const isOne = (text: string, at: number, units: number): boolean => {
    if (units === 2) return isOfKind(text.slice(at, at + 2))
    const unit = text.charCodeAt(at)
    if (known[unit] === 0) known[unit] = isOfKind(text[at]) ? 1 : 2
    return known[unit] === 1
  }
  return (text, start, end, _, found) => {
    let isInRun = false
    for (let at = start; at < end;) {
      const unit = text.charCodeAt(at)
      const units = unit >= 0xd800 && unit <= 0xdbff && at + 1 < end ? 2 : 1
      const isMatch = isOne(text, at, units)
      if (isMatch && isInRun && runs) found[found.length - 1] = at + units
      else if (isMatch) found.push(at, at + units)
      isInRun = isMatch
      at += units
    }
  }
}

/** Finds a text as it is. */
export function findText(wanted: string): Finder {
  return (text, start, end, _, found) => {
    for (let at = text.indexOf(wanted, start); at >= 0 && at + wanted.length <= end;) {
      found.push(at, at + wanted.length)
      at = text.indexOf(wanted, at + wanted.length)
    }
  }
}

/** Finds what a pattern of Oniguruma's matches. */
export function findPattern(source: string, place: string): Finder {
  return compilePattern(source, 'oniguruma', place).findAll
}

/** What `Replace` and `Split` look for: a text as it is, or a regular expression. */
export function readFinder(part: Part, options: { mayBeEmpty: boolean }): Finder {
  return collect(part.problems, () => finderOf(part, options)) ?? (() => {})
}

function finderOf({ json, place }: Part, { mayBeEmpty }: { mayBeEmpty: boolean }): Finder {
  const pattern = isJsonObject(json.pattern) ? json.pattern : {}
  const { String: wanted, Regex: source } = pattern
  const isOne = Object.keys(pattern).length === 1
  if (isOne && typeof wanted === 'string' && wanted !== '') return findText(wanted)
  if (!isOne || (typeof wanted !== 'string' && typeof source !== 'string'))
    throw unsupported(place, `pattern ${quoteValue(json.pattern)}`, '{ "String": … } or { "Regex": … }')
  const compiled = compilePattern(String(wanted ?? source), 'oniguruma', `tokenizer.json: ${place}`)
  if (compiled.matchesNothing && !mayBeEmpty)
    throw unsupported(
      place,
      `pattern ${quoteValue(json.pattern)}, which matches no characters`,
      'characters to look for',
    )
  return compiled.findAll
}

/** What a finder finds in a whole text. */
export function findIn(text: string, find: Finder): number[] {
  const found: number[] = []
  find(text, 0, text.length, stepBudget(text.length), found)
  return found
}
