import { existsSync } from 'node:fs'
import type { JsonObject } from '../formats/foreign/index.ts'
import { readJsonFile, writeFileAtomic } from '../formats/index.ts'

export { isJsonObject, type JsonObject } from '../formats/foreign/index.ts'

/**
 * The object in a JSON file; undefined when there is no file.
 *
 * @throws FettleError when the file is not JSON or holds something else
 */
export async function readJsonObject(path: string): Promise<JsonObject | undefined> {
  if (!existsSync(path)) return undefined
  return readJsonFile(path)
}

/** Changes fields of a JSON file and leaves the others, and their order, as they are. */
export async function changeJsonFile(path: string, change: JsonObject): Promise<void> {
  const object = (await readJsonObject(path)) ?? {}
  await writeFileAtomic(path, `${JSON.stringify({ ...object, ...change }, null, 2)}\n`)
}
