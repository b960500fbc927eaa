import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** A file to be sent. */
export interface NamedFile {
  /** Below the folder, with `/` between folders. */
  name: string
  path: string
}

/** The files of a folder and those below it, by name. */
export async function filesOf(
  folder: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<NamedFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: relative(folder, path).split(sep).join('/') }))
    .filter(({ name }) => isWanted(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The runner's own. */
export function isRunnerFile(name: string): boolean {
  return /^fettle_runner\/\w+\.py$/.test(name)
}
