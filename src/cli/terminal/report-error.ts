import { FettleError, describeProblem, messageOf } from '../../error.ts'
import type { Problem } from '../../error.ts'
import { fileFault } from '../../file-faults.ts'
import { withCommands } from '../command-line.ts'
import type { Terminal } from './terminal.ts'
import { version } from '../../version.ts'

/**
 * Says on stderr what went wrong.
 *
 * @param platform  for tests
 * @returns the exit code: 2 for wrong usage or input, 1 when the run failed
 */
export function reportError(
  error: unknown,
  terminal: Terminal,
  platform: NodeJS.Platform = process.platform,
): 1 | 2 {
  const { paint } = terminal
  const known =
    error instanceof FettleError ? error : (readFileError(error, platform) ?? readMemoryError(error))
  if (known) {
    for (const problem of known.problems)
      terminal.write(`${paint.red('error')} ${describeProblem(withPastable(problem))}\n`)
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

function readFileError(error: unknown, platform: NodeJS.Platform): FettleError | undefined {
  const fault = fileFault(error, platform)
  if (fault === undefined) return undefined
  const { path, dest, code } = error as NodeJS.ErrnoException & { dest?: string }
  const place = [path ?? code ?? '', ...(dest === undefined ? [] : [dest])].join(' → ')
  const problem: Problem = { place, found: fault.found, cure: fault.cure }
  return new FettleError(problem, { exitCode: fault.exitCode, cause: error })
}

/** Its cure with commands as this process was started. */
export function withPastable(problem: Problem): Problem {
  return problem.cure === undefined ? problem : { ...problem, cure: withCommands(problem.cure) }
}
