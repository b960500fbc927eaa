import { FettleError, messageOf } from '../error.ts'
import * as tree from './node/tree.ts'

/** What a page has of a file: its text or bytes, a File or Blob, or where to fetch it. */
export type FileSource = string | ArrayBuffer | Uint8Array | Blob | URL

/**
 * Puts files into the page's memory, where everything that takes a path finds them: `fromPretrained('/models/mine')`.
 *
 * @param folder  begins with `/`
 * @param files   by name; a URL is fetched
 * @throws FettleError for an address that does not answer with a file
 */
export async function putFiles(folder: string, files: Record<string, FileSource>): Promise<void> {
  const read = await Promise.all(
    Object.entries(files).map(async ([name, source]) => [name, await bytesOf(source)] as const),
  )
  for (const [name, bytes] of read) {
    const path = tree.absolute(`${folder}/${name}`)
    tree.makeFolders(tree.parentOf(path))
    tree.putLeaf(path, { bytes, size: bytes.byteLength })
  }
}

/** The files of a folder of the page's memory, and of the folders in it, by their paths from there. */
export function getFiles(folder: string): Record<string, Uint8Array<ArrayBuffer>> {
  const place = tree.resolved(folder)
  const files: Record<string, Uint8Array<ArrayBuffer>> = {}
  for (const name of tree.namesIn(place)) {
    const path = tree.absolute(`${place}/${name}`)
    const leaf = tree.leafAt(path)
    if (leaf?.link) continue
    if (leaf) files[name] = leaf.bytes.slice(0, leaf.size)
    else for (const [inside, bytes] of Object.entries(getFiles(path))) files[`${name}/${inside}`] = bytes
  }
  return files
}

/** Takes a file or a folder out of the page's memory. */
export function removeFiles(path: string): void {
  tree.removeAt(tree.absolute(path))
}

/** Copies a folder of the page's memory into the origin's private file system, where it is after a reload. */
export async function saveToOrigin(folder: string, name: string): Promise<void> {
  const root = await originFolder()
  const target = await root.getDirectoryHandle(name, { create: true })
  for (const [path, bytes] of Object.entries(getFiles(folder))) {
    const parts = path.split('/')
    let at = target
    for (const part of parts.slice(0, -1)) at = await at.getDirectoryHandle(part, { create: true })
    const file = await at.getFileHandle(parts.at(-1) ?? path, { create: true })
    const stream = await file.createWritable()
    await stream.write(bytes)
    await stream.close()
  }
}

/** Copies what `saveToOrigin` saved back into the page's memory. */
export async function loadFromOrigin(name: string, folder: string): Promise<void> {
  const root = await originFolder()
  await loadFolder(await root.getDirectoryHandle(name), folder)
}

async function loadFolder(from: OriginFolder, folder: string): Promise<void> {
  for await (const [name, entry] of from.entries())
    if (entry.kind === 'directory') await loadFolder(entry, `${folder}/${name}`)
    else await putFiles(folder, { [name]: await entry.getFile() })
}

/** What this file uses of the File System API. */
interface OriginFolder {
  readonly kind: 'directory'
  getDirectoryHandle(name: string, options?: { create: boolean }): Promise<OriginFolder>
  getFileHandle(name: string, options?: { create: boolean }): Promise<OriginFile>
  entries(): AsyncIterable<[string, OriginFolder | OriginFile]>
}
interface OriginFile {
  readonly kind: 'file'
  getFile(): Promise<Blob>
  createWritable(): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<void> }>
}

async function originFolder(): Promise<OriginFolder> {
  const { storage } = (globalThis.navigator ?? {}) as { storage?: { getDirectory?(): Promise<OriginFolder> } }
  if (!storage?.getDirectory)
    throw new FettleError({
      place: 'this page',
      found: 'no private file system of the origin',
      expected: 'a page from https or localhost, in a browser of 2023 or later',
      cure: 'Download the folder instead.',
    })
  return storage.getDirectory()
}

async function bytesOf(source: FileSource): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof source === 'string') return new TextEncoder().encode(source)
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer())
  if (source instanceof URL) return new Uint8Array(await (await fetched(source)).arrayBuffer())
  return source instanceof ArrayBuffer ? new Uint8Array(source) : new Uint8Array(source)
}

/**
 * What an address answers.
 *
 * @param allowed  a status that is no error, besides those of success
 * @throws FettleError where it does not answer, or with an error
 */
export async function fetched(address: URL, allowed?: number): Promise<Response> {
  const wrong = (found: string, cause?: unknown) =>
    new FettleError(
      {
        place: address.href,
        found,
        expected: 'a file',
        cure: 'Check the address, and whether its server lets pages of other origins read (CORS).',
      },
      { cause },
    )
  const answer = await fetch(address).catch((error: unknown) => {
    throw wrong(`no answer (${messageOf(error)})`, error)
  })
  if (!answer.ok && answer.status !== allowed) throw wrong(`the answer ${answer.status}`)
  return answer
}
