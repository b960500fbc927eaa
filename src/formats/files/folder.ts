import { mkdir, open, readlink, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FettleError } from '../../error.ts'
import { refuseOddName } from './odd-name.ts'
import { explainUnwritable } from './unwritable.ts'

/**
 * Makes a folder and those above it; one that is there already stays as it is.
 *
 * @throws FettleError (exit code 1) that names the path, when something else is there, nothing may be written or the system has no such
 *   names
 */
export async function makeFolder(path: string): Promise<void> {
  refuseOddName(path)
  try {
    await makeWithParents(path)
  } catch (error) {
    await refuseDanglingLink(path)
    throw explainUnwritable(path, error)
  }
}

/**
 * A link that leads nowhere is a file to those who write and nothing to those who look.
 *
 * @throws FettleError (exit code 1) where a path, or a folder above it, is one
 */
export async function refuseDanglingLink(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return
  const target = await readlink(path).catch(() => undefined)
  if (target !== undefined)
    throw new FettleError(
      {
        place: path,
        found: `a link to ${target}, which is not there`,
        expected: 'a folder, or nothing',
        cure: 'Make what it leads to, or remove the link.',
      },
      { exitCode: 1 },
    )
  if (dirname(path) !== path) await refuseDanglingLink(dirname(path))
}

/** Not with `recursive`: where a parent takes no folders (/proc), Node 20 tries for ever. */
async function makeWithParents(path: string): Promise<void> {
  try {
    await mkdir(path)
    await syncFolder(dirname(path))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(path) !== path) {
      await makeWithParents(dirname(path))
      await mkdir(path).catch(unlessFolder(path))
      await syncFolder(dirname(path))
    } else await unlessFolder(path)(error)
  }
}

/** Another process may have made it meanwhile; a root says EISDIR or EPERM, a read-only file system EROFS. */
function unlessFolder(path: string): (error: unknown) => Promise<void> {
  return async (error) => {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (!isFolder) throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Makes what was made, renamed or removed in a folder survive a power cut; some systems cannot sync a folder, and need not. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // The content is synced already; only the moment of the rename is less certain.
  }
}
