import { FettleError, messageOf } from '../../error.ts'

/** A JSON object of which nothing is known yet. */
export type JsonObject = Record<string, unknown>

/** Whether a value is an object, not null and not a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The object that a JSON file holds.
 *
 * @param place  the file, for messages
 * @throws FettleError for text that is not JSON, and for any other value
 */
export function parseJsonObject(text: string, place: string): JsonObject {
  const wrong = (found: string, cause?: unknown) =>
    new FettleError(
      { place, found, expected: 'a JSON object', cure: 'Download or save the file again.' },
      { cause },
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrong(`no JSON (${messageOf(error)})`, error)
  }
  if (isJsonObject(value)) return value
  throw wrong(value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`)
}
