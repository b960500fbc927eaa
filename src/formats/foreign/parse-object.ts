import { FettleError, type Problem } from '../../error.ts'
import { describeValue, isJsonObject, parseJson, type JsonObject } from '../json/index.ts'

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
  throw new FettleError({ place, found: describeValue(value), expected: 'a JSON object', cure })
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
