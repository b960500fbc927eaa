import { exportModel, type ExportOptions, type ExportResult } from '../export/index.ts'
import { showNotices } from './terminal/notices.ts'
import { plural } from './terminal/numbers.ts'
import { bar } from './terminal/sparkline.ts'
import { createProgressLine, terminalOf } from './terminal/terminal.ts'

/** The shell's code for a program that Ctrl-C ended. */
export const interruptedCode = 130

/** Of every command that writes weights. */
export const shardFlag = {
  type: 'string',
  hint: 'size',
  description:
    'Weights above it go to several files: 5GB, 500MB. Default 5GB; one GGUF file is never split without it',
} as const

/**
 * Exports and shows how far it is, tensor by tensor; Ctrl-C ends it.
 *
 * @returns undefined where it was ended: nothing was written, which people are told
 */
export async function runExport(
  title: string,
  options: Omit<ExportOptions, 'signal' | 'onProgress'>,
): Promise<ExportResult | undefined> {
  const people = terminalOf(process.stderr)
  const line = createProgressLine(people)
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.once('SIGINT', interrupt)
  try {
    const result = await exportModel({
      ...options,
      signal: controller.signal,
      onProgress({ tensors, all, rows }) {
        const [done, of, what] = rows ? [rows.done, rows.all, 'row'] : [tensors, all, 'tensor']
        const { filled, rest } = bar(of === 0 ? 0 : done / of, 20)
        const { paint } = people
        line.show(
          `${paint.cyan('⠿')} ${paint.bold(rows ? 'comparing' : title)}  ${paint.cyan(filled)}${paint.dim(rest)}  ${done} of ${plural(of, what)}`,
        )
      },
    })
    line.clear()
    showNotices(result.notices)
    return result
  } catch (error) {
    line.clear()
    if (!controller.signal.aborted) throw error
    people.write('Stopped: nothing was written.\n')
    return undefined
  } finally {
    process.off('SIGINT', interrupt)
  }
}
