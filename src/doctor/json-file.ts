import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { FettleError, messageOf } from '../error.ts'
import { writeFileAtomic } from '../formats/index.ts'

/** A JSON object of a file. */
export type JsonObject = Record<string, unknown>

/** Whether a value is a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The object in a JSON file; undefined when there is no file.
 *
 * @throws FettleError when the file is not JSON or holds something else
 */
export async function readJsonObject(path: string): Promise<JsonObject | undefined> {
  if (!existsSync(path)) return undefined
  const wrong = (found: string, cause?: unknown) =>
    new FettleError(
      { place: path, found, expected: 'a JSON object', cure: 'Download or save it again.' },
      { cause },
    )
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw wrong(messageOf(error), error)
  }
  if (isJsonObject(value)) return value
  throw wrong('another JSON value')
}

/** Changes fields of a JSON file and leaves the others, and their order, as they are. */
export async function changeJsonFile(path: string, change: JsonObject): Promise<void> {
  const object = (await readJsonObject(path)) ?? {}
  await writeFileAtomic(path, `${JSON.stringify({ ...object, ...change }, null, 2)}\n`)
}
