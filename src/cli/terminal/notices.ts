import { describeProblem, type Problem } from '../../error.ts'
import { withPastable } from './report-error.ts'
import { terminalOf } from './terminal.ts'

/** Says on stderr what a file holds that is not read or not obeyed; whoever loads it goes on. */
export function showNotices(notices: readonly Problem[]): void {
  const { paint, write } = terminalOf(process.stderr)
  for (const notice of notices) write(`${paint.yellow('note')} ${describeProblem(withPastable(notice))}\n`)
}
