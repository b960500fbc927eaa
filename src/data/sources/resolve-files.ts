import { stat } from 'node:fs/promises'
import type { DataSource } from '../row-options.ts'

/**
 * The files that a source is read from, in their order: what a cache keyed by content has to hash.
 *
 * @returns undefined where there are none that can be read twice: rows of a program, standard input, a pipe
 */
export async function resolveFiles(source: DataSource): Promise<string[] | undefined> {
  if (!('path' in source)) return undefined
  const isReadable = await stat(source.path).then(
    (found) => found.isFile(),
    // What is wrong with the path is readRows' to say.
    () => true,
  )
  return isReadable ? [source.path] : undefined
}
