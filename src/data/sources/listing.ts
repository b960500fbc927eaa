import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { hasWildcards, matchesGlob, readTextFile } from '../../formats/index.ts'

/** The files below a folder, here or elsewhere. */
export interface Listing {
  /** What errors call the folder. */
  readonly name: string
  /** Paths below it with `/` between names, sorted. */
  readonly paths: readonly string[]
  readText(path: string): Promise<string>
  /** Where a file lies on this machine; one that lies elsewhere is brought here. */
  fetch(path: string): Promise<string>
}

/** Files that describe others. */
const ignored = [
  'README.md',
  'config.json',
  'dataset_info.json',
  'dataset_infos.json',
  'dummy_data.zip',
  'dataset_dict.json',
]

/** The listing of a folder of this machine. Links to files are files, links to folders are not followed. */
export async function listFolder(folder: string): Promise<Listing> {
  const paths = await filesBelow(folder, Number.POSITIVE_INFINITY)
  return {
    name: folder,
    paths,
    readText: (path) => readTextFile(join(folder, path)),
    fetch: (path) => Promise.resolve(join(folder, path)),
  }
}

/** The files of this machine that a pattern means, sorted by their names. */
export async function filesOf(given: string): Promise<string[]> {
  // On Windows no name has a backslash in it.
  const pattern = process.platform === 'win32' ? given.replaceAll('\\', '/') : given
  const parts = pattern.split('/')
  const fixed = parts.findIndex(hasWildcards)
  const root = parts.slice(0, fixed).join('/')
  const rest = parts.slice(fixed).join('/')
  const depth = rest.includes('**') ? Number.POSITIVE_INFINITY : parts.length - fixed
  const folder = root === '' ? (pattern.startsWith('/') ? '/' : '.') : root
  const isThere = await stat(folder).then(
    (own) => own.isDirectory(),
    () => false,
  )
  const found = isThere ? await filesBelow(folder, depth) : []
  const prefix = root === '' && !pattern.startsWith('/') ? '' : `${root}/`
  return matching(found, rest).map((path) => prefix + path)
}

/** The paths that a pattern means, as `datasets` takes it: hidden files and those of the data set itself only by name. */
export function matching(paths: readonly string[], pattern: string): string[] {
  const own = pattern.split('/').at(-1)
  return paths.filter((path) => {
    const name = path.split('/').at(-1) ?? ''
    if (ignored.includes(name) && name !== own) return false
    return matchesGlob(path, pattern) && hiddenParts(path) === hiddenParts(pattern)
  })
}

/** Hidden names, and folders such as __pycache__: a pattern has to name them. */
function hiddenParts(path: string): string {
  const parts = path.split('/')
  const special = parts.slice(0, -1).filter((part) => part.startsWith('__'))
  return `${special.length} ${parts.filter((part) => /^\.[^.]|^\.\.[^.]/.test(part)).length}`
}

async function filesBelow(folder: string, depth: number): Promise<string[]> {
  const found: string[] = []
  const visit = async (prefix: string, left: number): Promise<void> => {
    const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch((error: unknown) => {
      if (prefix === '')
        throw new FettleError(
          {
            place: folder,
            found: 'no folder that can be read',
            expected: 'a folder',
            cure: 'Check the path.',
          },
          { cause: error },
        )
      return []
    })
    for (const entry of entries) {
      const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
      if (entry.isDirectory()) {
        if (left > 1) await visit(path, left - 1)
      } else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(folder, path)))))
        found.push(path)
    }
  }
  await visit('', depth)
  return found.sort(byCharacter)
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** As Python sorts texts, wherever this runs. */
function byCharacter(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
