import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FettleError, messageOf } from '../error.ts'

/** Where the content of a file that is being written goes; each call appends. */
export interface AtomicFile {
  write(data: string | ArrayBufferView): Promise<void>
}

/**
 * Replaces a file in one step: `produce` fills a temporary file beside it, which is synced to the disk and
 * renamed. Whatever goes wrong, `path` is either the whole old or the whole new file, and nothing is left over.
 *
 * @throws FettleError (exit code 1) that names the path, when the disk is full or not writable.
 */
export async function writeAtomically(
  path: string,
  produce: (file: AtomicFile) => Promise<void>,
): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    await mkdir(folder, { recursive: true })
    const handle = await open(temporary, 'wx')
    try {
      await produce({ write: (data) => writeAll(handle, data) })
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw explain(path, error)
  }
}

/** `writeAtomically` for content that is already in memory. */
export async function writeFileAtomic(path: string, data: string | ArrayBufferView): Promise<void> {
  await writeAtomically(path, (file) => file.write(data))
}

const chunkBytes = 1 << 26

/** A single write may be cut short (always above 2 GiB), so it is repeated until all is out. */
async function writeAll(handle: FileHandle, data: string | ArrayBufferView): Promise<void> {
  const bytes =
    typeof data === 'string'
      ? Buffer.from(data)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  for (let done = 0; done < bytes.byteLength;) {
    const length = Math.min(chunkBytes, bytes.byteLength - done)
    done += (await handle.write(bytes, done, length)).bytesWritten
  }
}

/** Makes the rename itself survive a power cut; some systems cannot sync a folder, and need not. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // The content is synced already; only the moment of the rename is less certain.
  }
}

const cures: Record<string, string> = {
  ENOSPC: 'Free some space or choose another output folder.',
  EDQUOT: 'Your disk quota is used up: free some space or choose another output folder.',
  EFBIG: 'The file is larger than this system allows (ulimit -f, or the file system): raise the limit.',
  EACCES: 'Make the folder writable or choose another output folder.',
  EPERM: 'Make the folder writable or choose another output folder.',
  EROFS: 'The file system is read-only: choose another output folder.',
  ENOTDIR: 'A part of the path is a file: choose another output folder.',
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof FettleError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // A mistake in the producer is not the disk's fault and keeps its own stack.
  if (code === undefined || !('syscall' in (error as object))) return error
  const cure = cures[code]
  return new FettleError(
    {
      place: path,
      found: `cannot be written (${messageOf(error)}); what was there before is unchanged`,
      ...(cure === undefined ? {} : { cure }),
    },
    { exitCode: 1, cause: error },
  )
}
