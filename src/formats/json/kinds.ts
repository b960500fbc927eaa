import { JsonFloat } from './values.ts'

/** A JSON object of which nothing is known yet. */
export type JsonObject = Record<string, unknown>

/** Whether a value is an object: not null, not a list and not a float that keeps its form. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonFloat)
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
