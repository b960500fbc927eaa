import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A package's description, as far as it says where it begins. */
interface PackageJson {
  version: string
  main?: string
}

/**
 * A package of the project that fettle runs in: of the folder where it is, or one above. fettle does not depend on runtimes that only
 * certificates use.
 *
 * @returns undefined where it is not installed, or cannot be loaded
 */
export async function importInstalled<T>(name: string): Promise<{ module: T; version: string } | undefined> {
  const folder = findPackage(name, process.cwd())
  if (folder === undefined) return undefined
  const { version, main = 'index.js' } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  ) as PackageJson
  const path = join(folder, main)
  try {
    const module = (await import(pathToFileURL(existsSync(path) ? path : `${path}.js`).href)) as T & {
      default?: T
    }
    return { module: module.default ?? module, version }
  } catch {
    return undefined
  }
}

function findPackage(name: string, start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (folder === dirname(folder)) return undefined
  }
}
