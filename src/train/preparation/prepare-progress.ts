import { stat } from 'node:fs/promises'
import { bytesRead } from '../../formats/index.ts'
import type { PrepareEvent } from '../events.ts'

/** Preparing that is over sooner is not worth a word. */
const quietMs = 1000
/** Between two events. */
const everyMs = 500

/** Counts what is prepared, and tells of it now and then. */
export interface PrepareProgress {
  add(example: { inputIds: Int32Array; mask: Uint8Array }, rows: number): void
}

/**
 * @param set    what the data are for
 * @param files  that are read: how much of them is left says how long it takes
 */
export async function prepareProgress(
  set: PrepareEvent['set'],
  files: readonly string[],
  tell: (event: PrepareEvent) => void,
): Promise<PrepareProgress> {
  const sizes = files.map((file) =>
    stat(file).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  const readBefore = bytesRead()
  const begun = performance.now()
  let toldAt = begun + quietMs - everyMs
  const counts = { examples: 0, tokens: 0 }
  return {
    add({ inputIds }, rows) {
      counts.examples++
      counts.tokens += inputIds.length
      // The clock costs more than counting.
      if (counts.examples % 64 !== 0) return
      const now = performance.now()
      if (now - toldAt < everyMs) return
      const part = total === 0 ? 0 : (bytesRead() - readBefore) / total
      // All is read: what is left takes no time that anybody could plan with.
      if (part === 1) return
      toldAt = now
      const elapsedMs = now - begun
      tell({
        type: 'prepare',
        set,
        rows,
        ...counts,
        rows_per_second: (rows / elapsedMs) * 1000,
        elapsed_ms: elapsedMs,
        // Where more is read than the files hold, they are read again and again.
        remaining_ms: part > 0.001 && part <= 1 ? elapsedMs * (1 / part - 1) : null,
      })
    },
  }
}
