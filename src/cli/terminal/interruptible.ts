import { bar } from './sparkline.ts'
import { createProgressLine, terminalOf } from './terminal.ts'

/** The shell's code for a program that Ctrl-C ended. */
export const interruptedCode = 130

/** What ends work that leaves things in order behind it: Ctrl-C, a supervisor, a terminal that closes. */
export const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** How far work is: its name, the share that is done, and what that is in words. */
export type ShowProgress = (title: string, share: number, what: string) => void

/**
 * Does what a signal ends, and shows how far it is. The same signal a second time ends the process at once.
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
  const interrupt = () => controller.abort()
  for (const name of endSignals) process.once(name, interrupt)
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
    for (const name of endSignals) process.off(name, interrupt)
  }
}
