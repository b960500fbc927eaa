import { rename, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * What Windows answers as long as another program has a file open: a virus scanner, an indexer, a reader of a run's files. For what
 * another program has in memory Node has no name; ENOTEMPTY is a folder of which a file goes when it is closed.
 */
const heldCodes: readonly unknown[] = ['EACCES', 'EPERM', 'EBUSY', 'UNKNOWN', 'ENOTEMPTY']
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
  await untilLetGo(() => renameOnce(from, to), platform)
}

/**
 * Removes a file, or a folder with all that is in it; nothing there is as good. On Windows it waits for other programs, as `movePath`.
 *
 * @param removeOnce  for tests, as the platform
 */
export async function removePath(
  path: string,
  platform: NodeJS.Platform = process.platform,
  removeOnce: typeof rm = rm,
): Promise<void> {
  await untilLetGo(() => removeOnce(path, { recursive: true, force: true }), platform)
}

async function untilLetGo(act: () => Promise<void>, platform: NodeJS.Platform): Promise<void> {
  const begun = Date.now()
  for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, 200)) {
    try {
      return await act()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (platform !== 'win32' || !heldCodes.includes(code) || Date.now() - begun > patienceMs) throw error
      await delay(pauseMs)
    }
  }
}
