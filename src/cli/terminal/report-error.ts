import { FettleError, describeProblem, messageOf } from '../../error.ts'
import type { Problem } from '../../error.ts'
import { tooManyOpen } from '../../open-files.ts'
import type { Terminal } from './terminal.ts'
import { version } from '../../version.ts'

/** What the system calls a file error, and what a person can do about it. */
const fileErrors: Record<string, { found: string; cure: string; exitCode: 1 | 2 }> = {
  ENOENT: { found: 'no such file or folder', cure: 'Check the path.', exitCode: 2 },
  ENOTDIR: { found: 'a part of the path is not a folder', cure: 'Check the path.', exitCode: 2 },
  EISDIR: { found: 'a folder where a file belongs', cure: 'Check the path.', exitCode: 2 },
  EACCES: { found: 'no permission', cure: 'Check who may read and write there.', exitCode: 2 },
  EROFS: { found: 'the file system is read-only', cure: 'Choose another place.', exitCode: 2 },
  ENOSPC: { found: 'no space left on the device', cure: 'Free some and run again.', exitCode: 1 },
  EMFILE: { ...tooManyOpen, exitCode: 1 },
  ENFILE: { ...tooManyOpen, exitCode: 1 },
}

/**
 * Says on stderr what went wrong.
 *
 * @returns the exit code: 2 for wrong usage or input, 1 when the run failed
 */
export function reportError(error: unknown, terminal: Terminal): 1 | 2 {
  const { paint } = terminal
  const known = error instanceof FettleError ? error : (readFileError(error) ?? readMemoryError(error))
  if (known) {
    for (const problem of known.problems)
      terminal.write(`${paint.red('error')} ${describeProblem(problem)}\n`)
    return known.exitCode
  }
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  terminal.write(
    [
      `${paint.red('error')} ${messageOf(error)}`,
      paint.dim(stack.split('\n').slice(1).join('\n')),
      'This is a fault in fettle, not in your input. Please report it with these lines, the command and',
      `fettle ${version()}, node ${process.version}, ${process.platform} ${process.arch}.`,
      '',
    ].join('\n'),
  )
  return 1
}

/** How Node, V8 and the kernels say that there is no memory. */
const outOfMemory =
  /^(?:out of memory|Array buffer allocation failed|Invalid (?:typed )?array (?:buffer )?length|std::bad_alloc|Out of memory)/i

function readMemoryError(error: unknown): FettleError | undefined {
  if (!(error instanceof Error) || !outOfMemory.test(error.message)) return undefined
  const problem: Problem = {
    place: 'memory',
    found: error.message,
    expected: 'more than the system gives',
    cure: 'End other programs, raise the limit of this one (ulimit -v, a container), or ask for less: a shorter max_length, quantization, a smaller model.',
  }
  return new FettleError(problem, { exitCode: 1, cause: error })
}

function readFileError(error: unknown): FettleError | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  const known = fileErrors[error.code]
  if (known === undefined) return undefined
  const place = 'path' in error && typeof error.path === 'string' ? error.path : error.code
  const problem: Problem = { place, found: known.found, cure: known.cure }
  return new FettleError(problem, { exitCode: known.exitCode, cause: error })
}
