import { statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** What a file system has left. */
export interface FreeSpace {
  bytes: number
  /** Whether it takes another file, whatever its size. */
  hasFiles: boolean
}

/** What is left where a path lies or would lie; undefined where the system does not say. */
export function freeSpace(path: string): FreeSpace | undefined {
  for (let place = resolve(path); ; place = dirname(place))
    try {
      const { bavail, blocks, bsize, files, ffree } = statfsSync(place)
      // Some file systems count nothing, or no files.
      if (blocks === 0) return undefined
      return { bytes: bavail * bsize, hasFiles: files === 0 || ffree > 0 }
    } catch {
      if (dirname(place) === place) return undefined
    }
}
