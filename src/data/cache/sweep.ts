import { readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { passingName, removePath, sweepPassing } from '../../formats/index.ts'

/** Entries that nobody used for so long go. */
const unusedMs = 30 * 24 * 3600 * 1000
/** Bytes of all entries together, beyond which those go that were not used for longest. */
const mostBytes = 32 * 2 ** 30

/** The file of an entry that says what is in it, and whose time says when it was used. */
export const entryFile = 'entry.json'

/**
 * Takes away what processes that are gone left half made, and old entries: those that were not used for 30 days, and of more than
 * 32 GiB those that were not used for longest.
 *
 * @param kept  this entry stays
 */
export async function sweep(folder: string, kept?: string): Promise<void> {
  await sweepPassing(folder)
  const names = await readdir(folder).catch(() => [])
  const entries: { name: string; usedMs: number; bytes: number }[] = []
  for (const name of names) {
    if (name.startsWith('.')) continue
    const usedMs = await stat(join(folder, name, entryFile)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    entries.push({ name, usedMs, bytes: await bytesOf(join(folder, name)) })
  }
  let total = 0
  for (const { name, usedMs, bytes } of entries.toSorted((a, b) => b.usedMs - a.usedMs)) {
    total += bytes
    if (name !== kept && (Date.now() - usedMs > unusedMs || total > mostBytes))
      await removeEntry(join(folder, name))
  }
}

/** Takes an entry away in one step: nobody finds half of it. */
export async function removeEntry(path: string): Promise<void> {
  const passing = join(path, '..', passingName())
  try {
    await rename(path, passing)
  } catch {
    // Another process took it away.
    return
  }
  await remove(passing)
}

async function remove(path: string): Promise<void> {
  await removePath(path).catch(() => {})
}

async function bytesOf(folder: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(folder).catch(() => []))
    sum += await stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    )
  return sum
}
