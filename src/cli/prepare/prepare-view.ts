import type { PrepareEvent } from '../../train/index.ts'
import { count, duration, short } from '../terminal/numbers.ts'
import { bar } from '../terminal/sparkline.ts'
import type { ProgressLine, Terminal } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** In a pipe, a line after so long. */
const lineEveryMs = 5000

/** Shows how far data are prepared: on a line that is rewritten, in a pipe on a line every five seconds. */
export function prepareView(terminal: Terminal, line: ProgressLine): (event: PrepareEvent) => void {
  let shownAt = 0
  return (event) => {
    if (terminal.interactive) return line.show(progressText(event, terminal))
    const { elapsed_ms: elapsed } = event
    // Those of the evaluation begin anew.
    if (elapsed >= shownAt && elapsed - shownAt < lineEveryMs) return
    shownAt = elapsed
    line.print(`preparing ${wordsOf(event).join('  ')}`)
  }
}

function progressText(event: PrepareEvent, { paint, width }: Terminal): string {
  const { elapsed_ms: elapsed, remaining_ms: remaining } = event
  const done = remaining === null ? 0 : elapsed / (elapsed + remaining)
  const { filled, rest } = bar(done, Math.max(5, Math.min(20, width - 90)))
  return [
    `${paint.cyan('⠿')} ${paint.bold('preparing'.padEnd(9))}`,
    ...(remaining === null ? [] : [`${paint.cyan(filled)}${paint.dim(rest)}`]),
    ...wordsOf(event),
  ].join('  ')
}

function wordsOf({
  set,
  rows,
  tokens,
  rows_per_second: speed,
  remaining_ms: remaining,
}: PrepareEvent): string[] {
  return [
    `${plural(rows, 'row')}${set === 'data' ? '' : ' of eval_data'}`,
    `${short(tokens)} tokens`,
    `${count(speed)} rows/s`,
    ...(remaining === null ? [] : [`${duration(remaining)} left`]),
  ]
}
