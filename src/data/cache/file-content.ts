import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hashFile, writeFileAtomic } from '../../formats/index.ts'

/** A file as it was read. */
export interface FileContent {
  /** As it was named. */
  path: string
  /** SHA-256, in hexadecimal digits. */
  hash: string
}

/** Smaller files are always read: that takes less time than anybody notices. */
const rememberedBytes = 64 << 20
/** Clocks of file systems may be this coarse: a file that changed so shortly before it was read may change again unseen. */
const coarseMs = 2000

/** What tells that a file is still the one that was read. */
interface Stamp {
  device: string
  inode: string
  size: string
  /** In ns since 1970; the system itself sets the second one, at every change. */
  modified: string
  changed: string
}

/**
 * What files hold. Of a large one the hash is remembered, and used as long as the system says that the file is the same one and has not
 * been changed: its device, inode, size and both times.
 *
 * @param folder  of the cache, where hashes are remembered; without it every file is read
 */
export async function fileContents(
  paths: readonly string[],
  folder: string | undefined,
): Promise<FileContent[]> {
  const contents: FileContent[] = []
  for (const path of paths) contents.push({ path, hash: await contentHash(path, folder) })
  return contents
}

async function contentHash(path: string, folder: string | undefined): Promise<string> {
  const before = await stampOf(path)
  if (folder === undefined || before.bytes < rememberedBytes) return hashFile(path)
  const memory = join(folder, 'files', `${createHash('sha256').update(resolve(path)).digest('hex')}.json`)
  const known = await recall(memory, before.stamp)
  if (known !== undefined) return known
  const hash = await hashFile(path)
  const after = await stampOf(path)
  const isSettled = Date.now() - after.changedMs > coarseMs
  if (isSettled && isSame(before.stamp, after.stamp))
    await writeFileAtomic(memory, JSON.stringify({ hash, stamp: after.stamp })).catch(() => {})
  return hash
}

async function stampOf(path: string): Promise<{ stamp: Stamp; bytes: number; changedMs: number }> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  const stamp = {
    device: `${dev}`,
    inode: `${ino}`,
    size: `${size}`,
    modified: `${mtimeNs}`,
    changed: `${ctimeNs}`,
  }
  const changedMs = Math.max(Number(mtimeNs), Number(ctimeNs)) / 1e6
  return { stamp, bytes: Number(size), changedMs }
}

function isSame(a: Stamp, b: Partial<Stamp>): boolean {
  return (
    a.device === b.device &&
    a.inode === b.inode &&
    a.size === b.size &&
    a.modified === b.modified &&
    a.changed === b.changed
  )
}

async function recall(memory: string, stamp: Stamp): Promise<string | undefined> {
  try {
    const known = JSON.parse(await readFile(memory, 'utf8')) as { hash?: unknown; stamp?: Partial<Stamp> }
    if (typeof known.hash !== 'string' || !/^[0-9a-f]{64}$/.test(known.hash)) return undefined
    return isSame(stamp, known.stamp ?? {}) ? known.hash : undefined
  } catch {
    return undefined
  }
}
