import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { FettleError, messageOf } from '../../error.ts'
import { hashFile, writeFileAtomic } from '../../formats/index.ts'

/** As `sha256sum` writes and checks it. */
export const hashesFile = 'SHA256SUMS'

const linePattern = /^([0-9a-f]{64}) {2}([\w.-]+(?:\/[\w.-]+)*)$/

/** Writes SHA256SUMS of every file that is in a folder, and below it, now. */
export async function writeHashes(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names = entries
    .filter((entry) => entry.isFile() && entry.name !== hashesFile)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  const lines: string[] = []
  for (const name of names.toSorted()) lines.push(`${await hashFile(join(folder, name))}  ${name}\n`)
  await writeFileAtomic(join(folder, hashesFile), lines.join(''))
}

/**
 * Compares a folder with its SHA256SUMS; files that it does not list do not count.
 *
 * @returns the names that it lists
 * @throws FettleError that names each file that is missing or not as it was written
 */
export async function checkHashes(folder: string): Promise<string[]> {
  const listed = await readHashes(join(folder, hashesFile))
  const problems = []
  for (const [name, expected] of listed) {
    const place = join(folder, name)
    const found = await hashFile(place).catch((error: unknown) =>
      isMissing(error) ? 'nothing' : messageOf(error),
    )
    if (found !== expected)
      problems.push({
        place,
        found: /^[0-9a-f]{64}$/.test(found) ? 'other bytes than those that were written' : found,
        expected: `the file whose hash is in ${hashesFile}`,
      })
  }
  if (problems.length > 0) throw new FettleError(problems)
  return [...listed.keys()]
}

async function readHashes(place: string): Promise<Map<string, string>> {
  const wrong = (found: string) =>
    new FettleError({ place, found, expected: 'the hash of each file of the checkpoint' })
  const text = await readFile(place, 'latin1').catch((error: unknown) => {
    throw wrong(isMissing(error) ? 'nothing' : messageOf(error))
  })
  const listed = new Map<string, string>()
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [, hash, name] = linePattern.exec(line) ?? []
    if (hash === undefined || listed.has(name) || name.split('/').includes('..'))
      throw wrong('a line that is no hash and name')
    listed.set(name, hash)
  }
  // A newline that became another character, or is gone.
  if ([...listed].map(([name, hash]) => `${hash}  ${name}\n`).join('') !== text)
    throw wrong('lines that do not end where they should')
  return listed
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
