import { statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { byteCount } from '../../byte-count.ts'
import { FettleError } from '../../error.ts'

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

/**
 * What a job can count on before it writes; undefined where only writing tells: macOS counts as taken what it would take back when it is
 * needed.
 *
 * @param platform  for tests
 */
export function roomBefore(
  path: string,
  platform: NodeJS.Platform = process.platform,
): FreeSpace | undefined {
  return platform === 'darwin' ? undefined : freeSpace(path)
}

/**
 * Says before a long job that its result has no room.
 *
 * @param path      of a file or folder to be
 * @param bytes     what it takes; what lies there goes when the new one is whole, so that it counts as taken
 * @param platform  for tests
 * @throws FettleError (exit code 1) where the disk cannot hold them
 */
export function refuseFull(path: string, bytes: number, platform: NodeJS.Platform = process.platform): void {
  const free = roomBefore(path, platform)
  if (free === undefined || free.bytes >= bytes) return
  throw new FettleError(
    {
      place: path,
      found: `a disk without room for it${leftAt(path)}; nothing was written`,
      expected: `room for ${byteCount(bytes)}`,
      cure: 'Free some space or choose another output folder.',
    },
    { exitCode: 1 },
  )
}

/** What a full disk has left, said behind its error. */
export function leftAt(path: string): string {
  const free = freeSpace(path)
  if (free === undefined) return ''
  return free.hasFiles ? `: ${byteCount(free.bytes)} free` : ': no further file (inode) free'
}
