import { tooManyOpen } from './open-files.ts'

/** What is wrong with a file that the system refuses, and what a person can do about it. */
export interface FileFault {
  found: string
  cure: string
  /** 2 where the input is wrong, 1 where the same may work another time. */
  exitCode: 1 | 2
}

const checkPath = { cure: 'Check the path.', exitCode: 2 } as const
const freeSome = { cure: 'Free some and run again.', exitCode: 1 } as const
const letGo = 'Close what has it open (an editor, a virus scanner, another run), and run again.'

const faults: Record<string, FileFault> = {
  ENOENT: { found: 'no such file or folder', ...checkPath },
  ENOTDIR: { found: 'a part of the path is not a folder', ...checkPath },
  EISDIR: { found: 'a folder', ...checkPath },
  ELOOP: { found: 'a link that leads in a circle', ...checkPath },
  ENAMETOOLONG: { found: 'a name that is too long', cure: 'Choose a shorter name.', exitCode: 2 },
  EACCES: { found: 'no permission', cure: 'Check who may read and write there.', exitCode: 2 },
  EPERM: { found: 'not permitted', cure: 'Check who may read and write there.', exitCode: 2 },
  EROFS: { found: 'the file system is read-only', cure: 'Choose another place.', exitCode: 2 },
  EBUSY: { found: 'in use by another program or by the system', cure: letGo, exitCode: 1 },
  ETXTBSY: { found: 'a program that runs', cure: letGo, exitCode: 1 },
  ENOSPC: { found: 'no space left on the device', ...freeSome },
  EDQUOT: { found: 'your disk quota is used up', ...freeSome },
  EFBIG: {
    found: 'a file larger than this system allows (ulimit -f, or the file system)',
    cure: 'Raise the limit.',
    exitCode: 1,
  },
  EIO: {
    found: 'the device does not read or write it (input/output error)',
    cure: 'Check the disk or the network that it is on.',
    exitCode: 1,
  },
  EMFILE: { ...tooManyOpen, exitCode: 1 },
  ENFILE: { ...tooManyOpen, exitCode: 1 },
}

/** Windows says with these, too, that another program has a file open, or in memory. */
const windowsFaults: Record<string, FileFault> = {
  EACCES: { found: 'no permission, or another program has it open', cure: letGo, exitCode: 1 },
  EPERM: {
    found: 'not permitted: another program has it open, or it is read-only',
    cure: letGo,
    exitCode: 1,
  },
  UNKNOWN: {
    found: 'refused by Windows, as is what another program has in memory and what lies in a cloud only',
    cure: letGo,
    exitCode: 1,
  },
}

/** Those that have several causes: what was refused tells more. */
const vague: readonly string[] = ['EACCES', 'EPERM', 'EBUSY', 'ETXTBSY', 'EIO', 'UNKNOWN']

/** Calls for a file that is open, whose errors name none. */
const ofOpenFiles: readonly unknown[] = ['read', 'write', 'fsync', 'fdatasync', 'ftruncate', 'fstat', 'close']

/** Whether a refusal is of a file: a signal to another process, a port and a connection are refused by the same codes. */
function isOfFile(error: Error): boolean {
  return (
    ('path' in error && typeof error.path === 'string') ||
    ('syscall' in error && ofOpenFiles.includes(error.syscall))
  )
}

/** What an error of the file system says; undefined for other errors, which may be mistakes in a program. */
export function fileFault(
  error: unknown,
  platform: NodeJS.Platform = process.platform,
): FileFault | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  const { code } = error
  if ((code === 'EACCES' || code === 'EPERM') && !isOfFile(error)) return undefined
  const own = platform === 'win32' && Object.hasOwn(windowsFaults, code) ? windowsFaults[code] : undefined
  const fault = own ?? (Object.hasOwn(faults, code) ? faults[code] : undefined)
  if (fault === undefined || !('syscall' in error) || typeof error.syscall !== 'string') return fault
  return vague.includes(code) ? { ...fault, found: `${fault.found} (${code}, ${error.syscall})` } : fault
}
