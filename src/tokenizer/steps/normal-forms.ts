import type { Change } from './aligned-text.ts'
import { hasNoNormalForm } from './unicode.ts'

export type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

/**
 * The changes that bring a text into a normal form, or `undefined` where it is in it. `String.normalize` gives the form but not
 * what stands for what, so the steps of Unicode's algorithm are taken here one by one: decompose, order the marks, compose.
 * What JavaScript does not tell of a character it shows by how it normalises two of them.
 * Source: Unicode Standard Annex 15, https://www.unicode.org/reports/tr15/
 */
export function normalForm(text: string, form: NormalForm): Change[] | undefined {
  if (text.normalize(form) === text) return undefined
  const decomposed = decompose(text, form === 'NFC' || form === 'NFD' ? 'NFD' : 'NFKD')
  return form === 'NFC' || form === 'NFKC' ? compose(decomposed) : decomposed
}

function decompose(text: string, form: 'NFD' | 'NFKD'): Change[] {
  const changes: Change[] = []
  let marks: Change[] = []
  for (const character of text) {
    const parts = hasNoNormalForm(character) ? character : character.normalize(form)
    let change = 0
    for (const part of parts) {
      if (isStarter(part)) {
        for (const mark of ordered(marks)) changes.push(mark)
        changes.push([part, change])
        marks = []
      } else marks.push([part, change])
      change = 1
    }
  }
  for (const mark of ordered(marks)) changes.push(mark)
  return changes
}

/** Marks in canonical order. Equal ones keep their order, so that each can be found again. */
function ordered(marks: readonly Change[]): readonly Change[] {
  if (marks.length < 2) return marks
  const places = new Map<string, Change[]>()
  for (const mark of marks.toReversed()) {
    const same = places.get(mark[0])
    if (same === undefined) places.set(mark[0], [mark])
    else same.push(mark)
  }
  const sorted = marks
    .map(([character]) => character)
    .join('')
    .normalize('NFD')
  return Array.from(sorted, (character): Change => places.get(character)?.pop() ?? [character, 0])
}

function compose(decomposed: readonly Change[]): Change[] {
  const changes: Change[] = []
  let starter: Change | undefined
  /** What follows the starter and did not become one with it. */
  let marks: Change[] = []
  const flush = (): void => {
    if (starter !== undefined) changes.push(starter)
    for (const mark of marks) changes.push(mark)
    marks = []
  }
  for (const [character, change] of decomposed) {
    const last = marks.at(-1)
    // A mark stands in the way of those of its own kind, and of any starter.
    const isBlocked = last !== undefined && (isStarter(character) || isSameClass(last[0], character))
    const composite: string | undefined =
      starter === undefined || isBlocked ? undefined : compositeOf(starter[0], character)
    if (starter !== undefined && composite !== undefined) starter = [composite, starter[1] + change - 1]
    else if (isStarter(character)) {
      flush()
      starter = [character, change]
    } else if (starter === undefined) changes.push([character, change])
    else marks.push([character, change])
  }
  flush()
  return changes
}

/** The mark of the highest combining class, before which any other mark moves. */
const lastMark = '\u0345'
const starters = new Map<string, boolean>()

/** Whether a character has combining class 0. */
function isStarter(character: string): boolean {
  let known = starters.get(character)
  if (known === undefined) {
    const pair = lastMark + character
    known = hasNoNormalForm(character) || (character !== lastMark && pair.normalize('NFD') === pair)
    starters.set(character, known)
  }
  return known
}

/** Whether two marks, given in canonical order, have one combining class: then they may stand the other way round as well. */
function isSameClass(first: string, second: string): boolean {
  const swapped = second + first
  return swapped.normalize('NFD') === swapped
}

const composites = new Map<string, string | undefined>()

function compositeOf(first: string, second: string): string | undefined {
  const pair = first + second
  if (composites.has(pair)) return composites.get(pair)
  const [whole, ...rest] = pair.normalize('NFC')
  const isComposite = rest.length === 0 && ![first, second, whole].some(hasNoNormalForm)
  composites.set(pair, isComposite ? whole : undefined)
  return composites.get(pair)
}
