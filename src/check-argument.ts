import { FettleError, quoteValue } from './error.ts'

/*
 * What programs without types may pass to a public function. Each door checks what it is given in one of these ways, once, so
 * that what lies behind it can trust its types.
 */

/** Throws a FettleError that names the argument, unless it is what it should be. */
export function checkArgument(name: string, value: unknown, isRight: boolean, expected: string): void {
  if (!isRight) throw new FettleError({ place: name, found: quoteValue(value), expected })
}

export const isText = (value: unknown): boolean => typeof value === 'string'

/** Whether a value is an object, and no list. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object that is no list. */
export function checkObject(name: string, value: unknown): void {
  checkArgument(name, value, isObject(value), 'an object')
}

/** Options, which may be left out. */
export function checkOptions(name: string, value: unknown): void {
  if (value !== undefined) checkObject(name, value)
}

/** A text. */
export function checkText(name: string, value: unknown): void {
  checkArgument(name, value, isText(value), 'a text')
}

/** Longer paths no system has. */
const longestPath = 4096

/** A path that a file can have. */
export function checkPath(name: string, value: unknown): void {
  const isRight =
    typeof value === 'string' && value !== '' && !value.includes('\0') && value.length <= longestPath
  checkArgument(name, value, isRight, 'the path of a file or folder')
}

/** A text, which may be left out. */
export function checkOptionalText(name: string, value: unknown): void {
  checkArgument(name, value, value === undefined || value === null || isText(value), 'a text')
}

/** More items than a program holds. */
const mostItems = 100_000_000

/**
 * Whether a value is a list that may be gone through. A length without items would be counted through, and a list that has a
 * `constructor` of its own would make others with it when it is mapped.
 */
export function isList(value: unknown): value is readonly unknown[] {
  if (!Array.isArray(value) || value.length > mostItems || Object.hasOwn(value, 'constructor')) return false
  return value.length === 0 || Object.hasOwn(value, value.length - 1)
}

/** A list whose items are right, each named by its index where it is not. */
export function checkList(
  name: string,
  value: unknown,
  isRight: (item: unknown) => boolean,
  expected: string,
): void {
  checkArgument(name, value, isList(value), `a list, each item ${expected}`)
  if (!Array.isArray(value)) return
  const odd = value.findIndex((item) => !isRight(item))
  if (odd >= 0) checkArgument(`${name}[${odd}]`, value[odd], false, expected)
}

/** A conversation. */
export function checkMessages(name: string, value: unknown): void {
  const isMessage = (item: unknown): boolean =>
    typeof item === 'object' && item !== null && 'role' in item && typeof item.role === 'string'
  checkList(name, value, isMessage, 'a message: { role, content }')
  if (!Array.isArray(value)) return
  value.forEach(({ content, tool_calls: calls }: Record<string, unknown>, i) => {
    const isContent =
      content === undefined || content === null || typeof content === 'string' || isParts(content)
    checkArgument(`${name}[${i}].content`, content, isContent, 'a text, or a list of parts')
    const isCalls = calls === undefined || calls === null || isList(calls)
    checkArgument(`${name}[${i}].tool_calls`, calls, isCalls, 'a list of calls')
  })
}

function isParts(content: unknown): boolean {
  return isList(content) && !content.some((part) => typeof part !== 'object' || part === null)
}
