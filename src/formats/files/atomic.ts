import { open, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FettleError } from '../../error.ts'
import { makeFolder, syncFolder } from './folder.ts'
import { passingPath } from './passing-name.ts'
import { movePath, removePath } from './moving.ts'
import { explainUnwritable } from './unwritable.ts'

/** Where the content of a file that is being written goes; each call appends. */
export interface AtomicFile {
  write(data: string | ArrayBufferView): Promise<void>
}

/**
 * Replaces a file in one step: `produce` fills a temporary file beside it, which is synced to the disk and
 * renamed. Whatever goes wrong, `path` is either the whole old or the whole new file, and nothing is left over.
 *
 * @param bytes  how many it will be, where that is known: on a full disk the error says it
 * @throws FettleError (exit code 1) that names the path, when the disk is full or not writable.
 */
export async function writeAtomically(
  path: string,
  produce: (file: AtomicFile) => Promise<void>,
  bytes?: number,
): Promise<void> {
  const folder = dirname(path)
  await refuseDevice(path)
  const temporary = await passingPath(path)
  try {
    await makeFolder(folder)
    const handle = await open(temporary, 'wx')
    try {
      await produce({ write: (data) => writeAll(handle, data) })
      await handle.sync()
    } finally {
      await handle.close()
    }
    await movePath(temporary, path)
    await syncFolder(folder)
  } catch (error) {
    await removePath(temporary).catch(() => {})
    throw explainUnwritable(path, error, bytes)
  }
}

/** A file that is renamed over /dev/null would be in its place for every program. */
async function refuseDevice(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.isFile() || found.isDirectory()) return
  throw new FettleError({
    place: path,
    found: 'a device, a pipe or a socket',
    expected: 'a file, or nothing',
    cure: 'Choose the path of a file.',
  })
}

/** `writeAtomically` for content that is already in memory. */
export async function writeFileAtomic(path: string, data: string | ArrayBufferView): Promise<void> {
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
  await writeAtomically(path, (file) => file.write(data), bytes)
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
