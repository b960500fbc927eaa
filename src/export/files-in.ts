import { readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/**
 * The files of a folder and of those in it, also where they are links, in the order of their names.
 *
 * @returns relative to the folder, with `/` between names
 */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  const found = await Promise.all(
    paths.map(async (path) => ((await isFile(join(folder, path))) ? [path] : [])),
  )
  return found.flat().toSorted()
}

/** Not of a link to nothing, which is none. */
async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
