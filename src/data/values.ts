import { JsonFloat } from '../formats/json/index.ts'

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonFloat)
}

/** Whether a column says nothing: absent, null, an empty text or list. */
export function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/** What kind of value this is, in words for an error message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (value instanceof JsonFloat || typeof value === 'bigint') return `the number ${shortened(String(value))}`
  if (typeof value === 'object') return 'an object'
  return `the ${typeof value} ${shortened(JSON.stringify(value) ?? '')}`
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

/** Names in a row, for an error message: no more than a screen shows. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => (name.length > 60 ? `${name.slice(0, 60)}…` : name))
  return [...shown, ...(names.length > 20 ? [`${names.length - 20} more`] : [])].join(', ')
}

/** A number or truth value as JSON has it: 1.0 stays 1.0. */
export function numberText(value: unknown): string {
  const isWhole = value instanceof JsonFloat && Number.isInteger(value.value) && Math.abs(value.value) < 1e16
  return isWhole ? `${Object.is(value.value, -0) ? '-0' : value.value}.0` : String(value)
}
