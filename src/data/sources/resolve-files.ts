import { stat } from 'node:fs/promises'
import type { DataSource } from '../row-options.ts'
import { openSource } from './open-source.ts'

/**
 * The files that a source is read from, in their order, behind those that say how: what a cache keyed by content has to hash.
 *
 * @returns undefined where there are none that can be read twice: rows of a program, standard input, a pipe
 * @throws FettleError where the source is not there
 */
export async function resolveFiles(source: DataSource): Promise<string[] | undefined> {
  if (!('path' in source)) return undefined
  const files = new Set<string>()
  for (const { data, slices } of await openSource(source)) {
    for (const file of data.describedBy ?? []) files.add(file)
    for (const { split } of slices)
      for (const part of data.splits.get(split) ?? []) {
        if (part.stream !== undefined) return undefined
        files.add(await part.fetch())
      }
  }
  for (const file of files) {
    const found = await stat(file).catch(() => undefined)
    if (found?.isFile() !== true) return undefined
  }
  return [...files]
}
