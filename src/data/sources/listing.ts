import { readdir, stat } from 'node:fs/promises'
import { join, parse, sep, type PlatformPath } from 'node:path'
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

const ownRules: PathRules = { parse, sep }

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
  const { folder, prefix, rest } = partPattern(given)
  const depth = rest.includes('**') ? Number.POSITIVE_INFINITY : rest.split('/').length
  const isThere = await stat(folder).then(
    (own) => own.isDirectory(),
    () => false,
  )
  const found = isThere ? await filesBelow(folder, depth) : []
  return matching(found, rest).map((path) => prefix + path)
}

/** What tells how paths are written here. */
type PathRules = Pick<PlatformPath, 'parse' | 'sep'>

/**
 * A pattern of files as the folder below which they lie, how their paths begin, and the names below it. A root stays whole: on Windows
 * `C:` is not the drive but the folder that a program is in there.
 *
 * @param rules  for tests: those of another system
 */
export function partPattern(
  given: string,
  { parse, sep }: PathRules = ownRules,
): { folder: string; prefix: string; rest: string } {
  // On Windows no name has a backslash in it.
  const pattern = sep === '\\' ? given.replaceAll(sep, '/') : given
  const { root } = parse(pattern)
  const names = pattern.slice(root.length).split('/')
  const first = names.findIndex(hasWildcards)
  const above = names.slice(0, first).join('/')
  const folder = root + above
  return {
    folder: folder === '' ? '.' : folder,
    prefix: above === '' ? root : `${folder}/`,
    rest: names.slice(first).join('/'),
  }
}

/** A path without what ends it, but for a root, which is one by its end. */
export function withoutEndSlash(path: string, { parse, sep }: PathRules = ownRules): string {
  const { root } = parse(path)
  return root + path.slice(root.length).replace(sep === '\\' ? /[\\/]+$/ : /\/+$/, '')
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
