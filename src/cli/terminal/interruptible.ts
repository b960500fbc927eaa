import { bar } from './sparkline.ts'
import { createProgressLine, terminalOf } from './terminal.ts'

/** The shell's code for a program that Ctrl-C ended. */
export const interruptedCode = 130

/** What a person presses: Ctrl-C, and Ctrl-Break on Windows, where nothing else asks a program of another window to end. */
export const keySignals = ['SIGINT', 'SIGBREAK'] as const

/** What ends work that leaves things in order behind it: those keys, a supervisor, a terminal that closes. */
export const endSignals = [...keySignals, 'SIGTERM', 'SIGHUP'] as const

/**
 * Hears signals; those that a system does not have never come there.
 *
 * @returns what ends the hearing
 */
export function hear(names: readonly NodeJS.Signals[], listener: (name: NodeJS.Signals) => void): () => void {
  for (const name of names) process.on(name, listener)
  return () => {
    for (const name of names) process.off(name, listener)
  }
}

/** How far work is: its name, the share that is done, and what that is in words. */
export type ShowProgress = (title: string, share: number, what: string) => void

/**
 * Does what a signal ends, and shows how far it is. A second signal ends the process at once.
 *
 * @param stopped  what people are told where it was ended
 * @returns undefined where it was ended
 */
export async function untilInterrupted<T>(
  stopped: string,
  work: (signal: AbortSignal, show: ShowProgress) => Promise<T>,
): Promise<T | undefined> {
  const people = terminalOf(process.stderr)
  const { paint } = people
  const line = createProgressLine(people)
  const controller = new AbortController()
  const deaf = hear(endSignals, () => {
    controller.abort()
    deaf()
  })
  try {
    const result = await work(controller.signal, (title, share, what) => {
      const { filled, rest } = bar(share, 20)
      line.show(`${paint.cyan('⠿')} ${paint.bold(title)}  ${paint.cyan(filled)}${paint.dim(rest)}  ${what}`)
    })
    line.clear()
    return result
  } catch (error) {
    line.clear()
    if (!controller.signal.aborted) throw error
    people.write(`Stopped: ${stopped}.\n`)
    return undefined
  } finally {
    deaf()
  }
}
