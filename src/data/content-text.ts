import { JsonFloat, keysOf } from '../formats/json/index.ts'

/**
 * A value as text that is the same for equal values only; like JSON, with 1 and 1.0 and integers of any size apart.
 *
 * @param isMessages  the keys of its objects have no order; that of a tool's schema and of arguments, which templates print, counts
 */
export function contentText(value: unknown, isMessages = false): string {
  if (value === undefined) return 'null'
  if (typeof value === 'bigint') return String(value)
  if (value instanceof JsonFloat) return `${value.value}f`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map((item) => contentText(item, isMessages)).join()}]`
  const keys = isMessages ? Object.keys(value).toSorted() : keysOf(value)
  return `{${keys.map((key) => `${JSON.stringify(key)}:${contentText(Reflect.get(value, key))}`).join()}}`
}
