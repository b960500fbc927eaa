// What objects are compiled from: each is named by a hash of it, and an addon has a list of it beside it, from which fettle learns that
// it is older than its sources (src/engine/native/changed-source.ts).
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** A file of native/ and all that it includes: what its object depends on. */
export function withIncluded(root, file, found = new Set()) {
  if (found.has(file)) return found
  found.add(file)
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/^\s*#include "(.+)"/gm)) {
    const included = [join(dirname(file), name), join(root, 'native', name)].find((path) => existsSync(path))
    if (included) withIncluded(root, included, found)
  }
  return found
}

/** 16 digits that change with the words of a command and with each of the files. */
export function objectHash(words, files) {
  const hash = createHash('sha256').update(words.join(' '))
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

/** Writes the SHA-256 of each file, by its path from `root`, into `sources.json` of a folder. */
export function writeSources(root, folder, files) {
  const hashOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')
  const list = [...files].map((file) => [relative(root, file).replaceAll('\\', '/'), hashOf(file)])
  writeFileSync(
    join(folder, 'sources.json'),
    `${JSON.stringify(Object.fromEntries(list.toSorted()), null, 1)}\n`,
  )
}
