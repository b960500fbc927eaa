import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { hashOf } from './find-addon.ts'

/**
 * The file of native/ that changed after the addon was built from that folder, or undefined. `scripts/build-native.mjs` writes the SHA-256
 * of each file that it compiled beside the addon (`sources.json`). Only files that are newer than this are read.
 *
 * @param folder  of fettle's package.json
 * @param addon   an addon that was built there; without `sources.json` beside it nothing is known
 */
export function changedSource(folder: string, addon: string): string | undefined {
  const list = join(dirname(addon), 'sources.json')
  if (!existsSync(list)) return undefined
  const hashes = JSON.parse(readFileSync(list, 'utf8')) as Readonly<Record<string, string>>
  const builtMs = statSync(list).mtimeMs
  return Object.keys(hashes).find((name) => {
    const path = join(folder, name)
    const isNewer = (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > builtMs
    return isNewer && (!existsSync(path) || hashOf(path) !== hashes[name])
  })
}
