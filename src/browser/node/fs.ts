// Stands in for node:fs in bundles for pages: the files of tree.ts.
import { Buffer } from './buffer.ts'
import type { Leaf } from './tree.ts'
import * as tree from './tree.ts'

interface Open {
  leaf: Leaf
  at: number
  appends: boolean
}
const opened = new Map<number, Open>()
let nextDescriptor = 10

/** What is known of a file or folder. */
export function statsOf(path: string, leaf: Leaf | undefined) {
  if (!leaf && !tree.isFolder(path)) throw tree.failure('ENOENT', path)
  const mtimeMs = leaf?.changedMs ?? 0
  return {
    size: leaf?.size ?? 0,
    mtimeMs,
    ctimeMs: mtimeMs,
    atimeMs: mtimeMs,
    mtime: new Date(mtimeMs),
    ino: leaf?.id ?? 0,
    dev: 1,
    nlink: 1,
    mode: leaf ? 0o100644 : 0o40755,
    isFile: () => leaf !== undefined && leaf.link === null,
    isDirectory: () => leaf === undefined,
    isSymbolicLink: () => leaf?.link !== null && leaf !== undefined,
    isFIFO: () => false,
    isSocket: () => false,
    isCharacterDevice: () => false,
    isBlockDevice: () => false,
  }
}

export function statSync(given: string | URL, options?: { throwIfNoEntry?: boolean }) {
  const path = tree.resolved(given)
  if (options?.throwIfNoEntry === false && !existsSync(path)) return undefined
  return statsOf(path, tree.leafAt(path))
}

export function lstatSync(given: string | URL) {
  const path = tree.absolute(given)
  return statsOf(path, tree.leafAt(path))
}

export function existsSync(given: string | URL): boolean {
  const path = tree.resolved(given)
  return tree.leafAt(path) !== undefined || tree.isFolder(path)
}

/** A page is not told how much room it has. */
export function statfsSync(path: string): never {
  throw tree.failure('ENOSYS', path)
}

export const realpathSync = (path: string | URL): string => tree.resolved(path)

export function openSync(given: string | URL, flags: string | number = 'r'): number {
  const path = tree.resolved(given)
  const found = tree.leafAt(path)
  const reads = flags === 'r' || flags === 0 || flags === 'r+'
  if (!found && reads) {
    // A folder is opened to be synced.
    if (tree.isFolder(path))
      return descriptorOf({ bytes: new Uint8Array(0), size: 0, link: null, changedMs: 0, id: 0 }, false)
    throw tree.failure('ENOENT', path)
  }
  const text = String(flags)
  if (found && text.includes('x')) throw tree.failure('EEXIST', path)
  const leaf = found && !text.startsWith('w') ? found : tree.putLeaf(path, {})
  return descriptorOf(leaf, text.startsWith('a'))
}

function descriptorOf(leaf: Leaf, appends: boolean): number {
  nextDescriptor += 1
  opened.set(nextDescriptor, { leaf, at: 0, appends })
  return nextDescriptor
}

function openOf(descriptor: number): Open {
  const open = opened.get(descriptor)
  if (!open) throw tree.failure('EBADF', String(descriptor))
  return open
}

export function closeSync(descriptor: number): void {
  opened.delete(descriptor)
}

export function fsyncSync(_descriptor: number): void {}

export function fstatSync(descriptor: number) {
  return statsOf('', openOf(descriptor).leaf)
}

export function ftruncateSync(descriptor: number, length = 0): void {
  const { leaf } = openOf(descriptor)
  if (length < leaf.size) leaf.size = length
  else tree.writeInto(leaf, new Uint8Array(length - leaf.size), leaf.size)
}

type Bytes = ArrayBufferView<ArrayBufferLike>

function viewOf(bytes: Bytes, offset: number, length: number | undefined): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length ?? bytes.byteLength - offset)
}

export function readSync(
  descriptor: number,
  target: Bytes,
  offset: number | { offset?: number; length?: number; position?: number | null } = 0,
  length?: number,
  position?: number | bigint | null,
): number {
  if (typeof offset === 'object')
    return readSync(descriptor, target, offset.offset ?? 0, offset.length, offset.position)
  const open = openOf(descriptor)
  const to = viewOf(target, offset, length)
  const from = position === null || position === undefined || position === -1 ? open.at : Number(position)
  const count = Math.max(0, Math.min(to.byteLength, open.leaf.size - from))
  to.set(open.leaf.bytes.subarray(from, from + count))
  if (position === null || position === undefined || position === -1) open.at += count
  return count
}

export function writeSync(
  descriptor: number,
  data: string | Bytes,
  offset: number | null = 0,
  length?: number,
  position?: number | null,
): number {
  const open = openOf(descriptor)
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : viewOf(data, offset ?? 0, length)
  const at = open.appends ? open.leaf.size : (position ?? open.at)
  tree.writeInto(open.leaf, bytes, at)
  if (position === null || position === undefined) open.at = at + bytes.byteLength
  return bytes.byteLength
}

export function readFileSync(
  given: string | URL | number,
  options?: string | { encoding?: string | null } | null,
) {
  const path = typeof given === 'number' ? '' : tree.resolved(given)
  const leaf = typeof given === 'number' ? openOf(given).leaf : tree.leafAt(path)
  if (!leaf) throw tree.failure(tree.isFolder(path) ? 'EISDIR' : 'ENOENT', path)
  const bytes = Buffer.from(leaf.bytes.slice(0, leaf.size).buffer)
  const encoding = typeof options === 'string' ? options : options?.encoding
  return encoding ? bytes.toString(encoding as 'utf8') : bytes
}

export function writeFileSync(given: string | URL, data: string | Bytes): void {
  const descriptor = openSync(given, 'w')
  writeSync(descriptor, data)
  closeSync(descriptor)
}

export function readdirSync(given: string | URL, options?: { withFileTypes?: boolean; recursive?: boolean }) {
  const folder = tree.resolved(given)
  if (!tree.isFolder(folder)) throw tree.failure(tree.leafAt(folder) ? 'ENOTDIR' : 'ENOENT', folder)
  const names = tree.namesIn(folder)
  if (!options?.withFileTypes) return names
  return names.map((name) => {
    const path = tree.absolute(`${folder}/${name}`)
    return { name, parentPath: folder, path: folder, ...kindsOf(statsOf(path, tree.leafAt(path))) }
  })
}

function kindsOf({ isFile, isDirectory, isSymbolicLink }: ReturnType<typeof statsOf>) {
  return { isFile, isDirectory, isSymbolicLink }
}

export function mkdirSync(given: string | URL, options?: { recursive?: boolean }): string | undefined {
  const path = tree.absolute(given)
  if (tree.isFolder(path) && !options?.recursive) throw tree.failure('EEXIST', path)
  if (!options?.recursive && !tree.isFolder(tree.parentOf(path))) throw tree.failure('ENOENT', path)
  tree.makeFolders(path)
  return path
}

export function mkdtempSync(start: string): string {
  const path = tree.absolute(`${start}${Math.random().toString(36).slice(2, 8)}`)
  tree.makeFolders(path)
  return path
}

export function rmSync(given: string | URL, options?: { force?: boolean; recursive?: boolean }): void {
  const path = tree.absolute(given)
  if (tree.isFolder(path) && !options?.recursive) throw tree.failure('EISDIR', path)
  if (!tree.isFolder(path) && !tree.leafAt(path) && !options?.force) throw tree.failure('ENOENT', path)
  tree.removeAt(path)
}
export const unlinkSync = (path: string | URL): void => rmSync(path)

export function renameSync(from: string | URL, to: string | URL): void {
  tree.moveTo(tree.absolute(from), tree.absolute(to))
}

/** Chunks of a file, for `for await`. */
export function createReadStream(
  given: string | URL,
  options?: { start?: number; end?: number; highWaterMark?: number },
) {
  const descriptor = openSync(given)
  const { leaf } = openOf(descriptor)
  const end = Math.min(leaf.size, (options?.end ?? Number.POSITIVE_INFINITY) + 1)
  const step = options?.highWaterMark ?? 65536
  const chunks = async function* () {
    for (let at = options?.start ?? 0; at < end; at += step)
      yield Buffer.from(leaf.bytes.slice(at, Math.min(at + step, end)).buffer)
  }
  const stream = chunks()
  return Object.assign(stream, {
    on: () => stream,
    destroy: () => void stream.return(undefined),
    path: given,
  })
}

export const constants = { F_OK: 0, R_OK: 4, W_OK: 2, O_RDONLY: 0 }
