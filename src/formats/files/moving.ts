import { rename, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** What Windows answers as long as another program has a file open: a virus scanner, an indexer, a reader of a run's files. */
const heldCodes: readonly unknown[] = ['EACCES', 'EPERM', 'EBUSY']
/** Scanners let go in a fraction of it. */
const patienceMs = 5000

/**
 * Renames a file or a folder, a file also over another one. Windows refuses that as long as another program has the one or the other
 * open, or a file of the folder: there it is tried again for five seconds.
 *
 * @param renameOnce  for tests, as the platform
 */
export async function movePath(
  from: string,
  to: string,
  platform: NodeJS.Platform = process.platform,
  renameOnce: typeof rename = rename,
): Promise<void> {
  const begun = Date.now()
  for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, 200)) {
    try {
      return await renameOnce(from, to)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (platform !== 'win32' || !heldCodes.includes(code) || Date.now() - begun > patienceMs) throw error
      await delay(pauseMs)
    }
  }
}

/** Removes a file, or a folder with all that is in it; nothing there is as good. On Windows it waits for other programs, as `movePath`. */
export async function removePath(path: string): Promise<void> {
  // Waits 50, 100, … 700 ms: 5 s in all.
  const patience = process.platform === 'win32' ? { maxRetries: 14, retryDelay: 50 } : {}
  await rm(path, { recursive: true, force: true, ...patience })
}
