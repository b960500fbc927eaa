import { hear, interruptedCode, keySignals } from '../terminal/interruptible.ts'
import { createProgressLine, type Terminal } from '../terminal/terminal.ts'
import { plural } from '../../plural.ts'

/** Examples that are looked at for statistics nobody asked for: some seconds of work. */
const mostUnasked = 10_000
const redrawMs = 100

/** Reads data for statistics: says how far it is, and ends early at Ctrl-C, or where nobody asked for all. */
export interface Reading {
  /** Exit code: 130 where Ctrl-C ended it. */
  readonly code: number
  /** Whether the reading ends here; called before each example with the number of those before. */
  isOver(seen: number): boolean
  end(): void
}

/**
 * @param all      read to the end
 * @param terminal  where people look
 */
export function startReading(all: boolean, terminal: Terminal): Reading {
  const line = createProgressLine(terminal)
  let isInterrupted = false
  let drawn = performance.now()
  const deaf = hear(keySignals, () => {
    isInterrupted = true
    // A second one ends the process at once.
    deaf()
  })
  return {
    get code() {
      return isInterrupted ? interruptedCode : 0
    },
    isOver(seen) {
      const now = performance.now()
      if (now - drawn > redrawMs) {
        drawn = now
        line.show(`reading: ${plural(seen, 'example')}; Ctrl-C shows what was seen`)
      }
      return isInterrupted || (!all && seen >= mostUnasked)
    },
    end() {
      line.clear()
      deaf()
    },
  }
}
