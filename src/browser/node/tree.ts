// Files in memory under paths, as the modules of this folder that stand in for Node's see them.

/** A file, or a symbolic link, which holds where it leads. */
export interface Leaf {
  /** Capacity; `size` of them are the file's. */
  bytes: Uint8Array<ArrayBuffer>
  size: number
  link: string | null
  changedMs: number
  id: number
}

const leaves = new Map<string, Leaf>()
const folders = new Set(['/', '/tmp'])
let nextId = 1

/** An absolute path without `.` and `..`; relative ones begin at `/`. */
export function absolute(path: string | URL): string {
  const parts: string[] = []
  for (const part of `${path instanceof URL ? path.pathname : path}`.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

/** The folder of an absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

/** Follows links, in every part of a path. */
export function resolved(given: string | URL): string {
  let path = absolute(given)
  for (let hops = 0; hops < 40; hops += 1) {
    const parts = path.split('/')
    const at = parts.findIndex((_, i) => i > 0 && leaves.get(parts.slice(0, i + 1).join('/'))?.link)
    if (at < 0) return path
    const link = leaves.get(parts.slice(0, at + 1).join('/'))?.link ?? ''
    const to = link.startsWith('/') ? link : `${parts.slice(0, at).join('/')}/${link}`
    path = absolute(`${to}/${parts.slice(at + 1).join('/')}`)
  }
  throw failure('ELOOP', given)
}

export const leafAt = (path: string): Leaf | undefined => leaves.get(path)
export const isFolder = (path: string): boolean => folders.has(path)

/** Names of what a folder holds. */
export function namesIn(folder: string): string[] {
  const start = folder === '/' ? '/' : `${folder}/`
  const inside = [...leaves.keys(), ...folders].filter((path) => path !== folder && path.startsWith(start))
  return [...new Set(inside.map((path) => path.slice(start.length).split('/')[0]))].toSorted()
}

export function makeFolders(path: string): void {
  if (leaves.has(path)) throw failure('EEXIST', path)
  folders.add(path)
  if (path !== '/') makeFolders(parentOf(path))
}

export function putLeaf(path: string, leaf: Partial<Leaf>): Leaf {
  if (!folders.has(parentOf(path))) throw failure('ENOENT', path)
  if (folders.has(path)) throw failure('EISDIR', path)
  const made = { bytes: new Uint8Array(0), size: 0, link: null, changedMs: Date.now(), id: nextId, ...leaf }
  nextId += 1
  leaves.set(path, made)
  return made
}

/** Whatever stands under a path, and under it. */
export function removeAt(path: string): void {
  for (const known of leaves.keys()) if (isWithin(known, path)) leaves.delete(known)
  for (const known of folders) if (known !== '/' && isWithin(known, path)) folders.delete(known)
}

export function moveTo(from: string, to: string): void {
  const leaf = leaves.get(from)
  if (leaf) {
    leaves.delete(from)
    leaves.set(to, leaf)
    return
  }
  if (!folders.has(from)) throw failure('ENOENT', from)
  removeAt(to)
  for (const [path, inside] of leaves) {
    if (!isWithin(path, from)) continue
    leaves.delete(path)
    leaves.set(to + path.slice(from.length), inside)
  }
  for (const path of folders) {
    if (!isWithin(path, from)) continue
    folders.delete(path)
    folders.add(to + path.slice(from.length))
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** Puts bytes into a file, which grows. */
export function writeInto(leaf: Leaf, bytes: Uint8Array, at: number): void {
  const end = at + bytes.byteLength
  if (end > leaf.bytes.byteLength) {
    const grown = new Uint8Array(
      Math.max(end, Math.min(2 * leaf.bytes.byteLength, leaf.bytes.byteLength + (1 << 26))),
    )
    grown.set(leaf.bytes.subarray(0, leaf.size))
    leaf.bytes = grown
  }
  leaf.bytes.set(bytes, at)
  leaf.size = Math.max(leaf.size, end)
  leaf.changedMs = Date.now()
}

/** An error with a code, as Node's, which readers of files tell by `syscall`. */
export function failure(code: string, path: string | URL): Error & { code: string } {
  const said: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EEXIST: 'file already exists',
    EISDIR: 'illegal operation on a directory',
    ENOTDIR: 'not a directory',
    ENOTEMPTY: 'directory not empty',
    EBADF: 'bad file descriptor',
    ELOOP: 'too many links',
  }
  return Object.assign(new Error(`${code}: ${said[code] ?? 'failed'}, '${path}'`), {
    code,
    syscall: 'open',
    path: String(path),
  })
}
