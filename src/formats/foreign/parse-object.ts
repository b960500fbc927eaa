import { FettleError, withArticle, type Problem } from '../../error.ts'
import { parseJson } from '../json/index.ts'

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
  const cure = 'Download or save the file again.'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new FettleError({ ...faultIn(text, place), cure }, { cause: error })
  }
  if (isJsonObject(value)) return value
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : withArticle(typeof value)
  throw new FettleError({ place, found, expected: 'a JSON object', cure })
}

/** What is wrong in a text that JSON.parse refuses, and where. */
function faultIn(text: string, place: string): Problem {
  try {
    parseJson(text, place)
  } catch (error) {
    if (error instanceof FettleError) return error.problems[0]
    throw error
  }
  return { place, found: 'no JSON' }
}
