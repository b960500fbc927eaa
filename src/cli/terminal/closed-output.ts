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

/** Who reads the output may stop reading (fettle … | head): that is no error. A full disk is one. */
export function watchOutput(): void {
  let failed = false
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED' && !failed) {
        failed = true
        const place = stream === process.stdout ? 'stdout' : 'stderr'
        process.exitCode = reportError(Object.assign(error, { path: place }), terminalOf(process.stderr))
      }
      react()
    })
}
