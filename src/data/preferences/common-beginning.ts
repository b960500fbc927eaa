import { isJsonObject } from '../../formats/json/index.ts'

/** A pair of answers with the prompt that both begin with. */
export interface Pair {
  prompt: unknown
  chosen: unknown
  rejected: unknown
}

/**
 * The prompt of a pair that holds whole texts or whole conversations: their longest common beginning, as TRL takes it. Of two equal ones
 * all but the last message (character) is the prompt; a space before texts part belongs to the answers.
 *
 * @returns  undefined where they are not two texts or two lists
 */
export function withoutCommonBeginning(chosen: unknown, rejected: unknown): Pair | undefined {
  if (typeof chosen === 'string' && typeof rejected === 'string') {
    const [a, b] = [[...chosen], [...rejected]]
    const border = borderOf(a, b)
    const at =
      border > 0 && border < Math.min(a.length, b.length) && a[border - 1] === ' ' ? border - 1 : border
    const texts = (characters: string[]) => characters.slice(at).join('')
    return { prompt: a.slice(0, at).join(''), chosen: texts(a), rejected: texts(b) }
  }
  if (!Array.isArray(chosen) || !Array.isArray(rejected)) return undefined
  const [a, b]: unknown[][] = [chosen, rejected]
  const at = borderOf(a, b)
  return { prompt: a.slice(0, at), chosen: a.slice(at), rejected: b.slice(at) }
}

/** The first item in which two lists differ, or the last one that both have. */
function borderOf(a: readonly unknown[], b: readonly unknown[]): number {
  const both = Math.min(a.length, b.length)
  for (let i = 0; i < both; i += 1) if (!isEqual(a[i], b[i])) return i
  return Math.max(0, both - 1)
}

/** Whether two values of JSON are equal; keys may stand in another order. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => isEqual(item, b[i]))
  if (!isJsonObject(a) || !isJsonObject(b)) {
    // Numbers of files are objects that keep how they were written.
    return typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && !Array.isArray(a)
      ? String(a) === String(b) && !isJsonObject(a)
      : false
  }
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length && names.every((name) => name in b && isEqual(a[name], b[name]))
  )
}
