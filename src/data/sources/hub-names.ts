import { existsSync } from 'node:fs'
import { cachedSnapshot, parseHubName, type HubName } from './hub-cache.ts'
import { isDataFile } from './parts.ts'

/** The data set of the Hub that a path names which is not there; undefined where it names none. */
export function hubNameOf(path: string): HubName | undefined {
  if (path.startsWith('hf://')) return parseHubName(path)
  // A file of a folder that is here is missing, and nobody's data set.
  const [owner] = path.split('/')
  return isDataFile(path) || existsSync(owner) ? undefined : parseHubName(path)
}

/** Whether a path names a data set of the Hub that can be read, as far as this machine knows. */
export async function isOfHub(path: string): Promise<boolean> {
  const name = hubNameOf(path)
  return name !== undefined && (path.startsWith('hf://') || (await cachedSnapshot(name)) !== undefined)
}
