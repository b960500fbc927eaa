import { byteCount } from '../../byte-count.ts'
import { FettleError, messageOf } from '../../error.ts'
import { leftAt } from './free-space.ts'
import { isOfOpenFiles, tooManyOpen } from '../../open-files.ts'

const cures: Record<string, string> = {
  ENOSPC: 'Free some space or choose another output folder.',
  EDQUOT: 'Your disk quota is used up: free some space or choose another output folder.',
  EFBIG: 'The file is larger than this system allows (ulimit -f, or the file system): raise the limit.',
  EACCES: 'Make the folder writable or choose another output folder.',
  EPERM: 'Make the folder writable, close what has the file open, or choose another output folder.',
  EBUSY: 'Close the program that has it open, or choose another output folder.',
  ENAMETOOLONG: 'Choose a shorter name.',
  EROFS: 'The file system is read-only: choose another output folder.',
  EEXIST: 'A file has this name: choose another output folder.',
  ENOENT: 'Nothing can be made there: choose another output folder.',
  ENOTDIR: 'A part of the path is a file: choose another output folder.',
}

/** Errors that say that there is no room. */
const isOfRoom = (code: string): boolean => code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'

/**
 * An error of the file system as one that names the path and says what to do; any other error stays as it is, because a
 * mistake in the program keeps its own stack.
 *
 * @param bytes  what was to be written, where that is known
 */
export function explainUnwritable(path: string, error: unknown, bytes?: number): unknown {
  if (error instanceof FettleError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  if (code === undefined || !('syscall' in (error as object))) return error
  const cure = isOfOpenFiles(error) ? tooManyOpen.cure : cures[code]
  return new FettleError(
    {
      place: path,
      found: `cannot be written (${messageOf(error)}${code === 'ENOSPC' ? leftAt(path) : ''}); what was there before is unchanged`,
      ...(bytes !== undefined && isOfRoom(code) && { expected: `room for ${byteCount(bytes)}` }),
      ...(cure === undefined ? {} : { cure }),
    },
    { exitCode: 1, cause: error },
  )
}
