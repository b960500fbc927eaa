import type { Cursor } from './cursor.ts'

/** What holds for a part of a pattern. */
export interface Flags {
  readonly ignoreCase: boolean
  /** Whether `.` matches a newline. */
  readonly dotAll: boolean
  /** Whether `^` and `$` match at each line; in Oniguruma they always do. */
  readonly multiline: boolean
}

/**
 * Flags that are switched on or off, or nothing where none are.
 *
 * @param end  `)` for what follows, with its `(?` before: `(?i)`; `:` for a group whose `(?` was read: `i:`
 */
export function readFlags(cursor: Cursor, flags: Flags, end: ')' | ':'): Flags | undefined {
  const found = cursor.match(
    end === ')' ? /^\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?\)/ : /^([a-zA-Z]*)(?:-([a-zA-Z]+))?:/,
  )
  if (found === undefined) return undefined
  const result = { ...flags }
  const apply = (letters: string, value: boolean): void => {
    for (const letter of letters) {
      const flag = flagOf(cursor, letter)
      if (flag !== undefined) result[flag] = value
    }
  }
  apply(found[1], true)
  apply(found[2] ?? '', false)
  return result
}

/** The flag of a letter; nothing for one that changes nothing here. */
function flagOf(cursor: Cursor, letter: string): keyof Flags | undefined {
  if (letter === 'i') return 'ignoreCase'
  if (cursor.dialect === 'oniguruma') {
    if (letter === 'm') return 'dotAll'
  } else {
    if (letter === 's') return 'dotAll'
    if (letter === 'm') return 'multiline'
    // Texts are Unicode in any case.
    if (letter === 'u') return undefined
  }
  throw cursor.refuse(`the flag '${letter}'`)
}
