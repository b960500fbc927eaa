import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { isatty } from 'node:tty'
import { reportError } from './report-error.ts'
import { terminalOf } from './terminal.ts'

let react = (): void => {}

/**
 * Says what is to happen when the reader of the output goes away. Without it the command goes on to its end unheard, because
 * its exit code is an answer too.
 */
export function whenOutputCloses(reaction: () => void): void {
  react = reaction
}

/** For commands that do nothing but print: text that nobody reads need not be made. */
export function endWhenOutputCloses(): void {
  whenOutputCloses(() => process.exit())
}

/** Of output that nobody reads any more: a pipe that was closed (on Windows one of two codes), a terminal that is gone. */
const unheard: readonly (string | undefined)[] = ['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED', 'EIO']

/** Whether an error of an output says no more than that its reader is gone. */
export function isUnheard({ code }: NodeJS.ErrnoException, isTTY: boolean): boolean {
  return unheard.includes(code) && (code !== 'EIO' || isTTY)
}

/** Who reads the output may stop reading (fettle … | head): that is no error. A full disk is one. */
export function watchOutput(): void {
  leaveGoneTerminals()
  let failed = false
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!isUnheard(error, stream.isTTY) && !failed) {
        failed = true
        const place = stream === process.stdout ? 'stdout' : 'stderr'
        process.exitCode = reportError(Object.assign(error, { path: place }), terminalOf(process.stderr))
      }
      react()
    })
}

/**
 * At its end Node gives terminals their settings back, and aborts where one is gone (a window that was closed, a connection that
 * broke), whatever the exit code was. It leaves alone what is no longer the file that it began with.
 */
function leaveGoneTerminals(): void {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor))
  process.on('exit', () => {
    for (const descriptor of terminals)
      if (!isatty(descriptor)) {
        closeSync(descriptor)
        // It gets the lowest number that is free: the one that was closed.
        openSync(devNull, 'r+')
      }
  })
}
