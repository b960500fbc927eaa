// Stands in for node:fs/promises in bundles for pages.
import * as fs from './fs.ts'
import * as tree from './tree.ts'

type Path = string | URL

/** Node's handle of an open file. */
export async function open(path: Path, flags: string | number = 'r') {
  const fd = fs.openSync(path, flags)
  const handle = {
    fd,
    async read(
      target: Parameters<typeof fs.readSync>[1] | { buffer?: Uint8Array; position?: number },
      ...rest: (number | null)[]
    ) {
      const { buffer, at } = ArrayBuffer.isView(target)
        ? { buffer: target, at: rest }
        : { buffer: target.buffer ?? new Uint8Array(16384), at: [0, undefined, target.position] }
      const [offset, length, position] = at
      return { bytesRead: fs.readSync(fd, buffer, offset ?? 0, length ?? undefined, position), buffer }
    },
    async write(data: string | Uint8Array, ...rest: (number | null)[]) {
      const [offset, length, position] = rest
      return { bytesWritten: fs.writeSync(fd, data, offset, length ?? undefined, position), buffer: data }
    },
    readFile: async (options?: Parameters<typeof fs.readFileSync>[1]) => fs.readFileSync(fd, options),
    writeFile: async (data: string | Uint8Array) => void fs.writeSync(fd, data),
    appendFile: async (data: string | Uint8Array) => void fs.writeSync(fd, data),
    stat: async () => fs.fstatSync(fd),
    truncate: async (length = 0) => fs.ftruncateSync(fd, length),
    sync: async () => {},
    datasync: async () => {},
    close: async () => fs.closeSync(fd),
    createReadStream: (options?: Parameters<typeof fs.createReadStream>[1]) =>
      fs.createReadStream(path, options),
    [Symbol.asyncDispose]: async () => fs.closeSync(fd),
  }
  return handle
}
export type FileHandle = Awaited<ReturnType<typeof open>>

export const readFile = async (path: Path, options?: Parameters<typeof fs.readFileSync>[1]) =>
  fs.readFileSync(path, options)
export const writeFile = async (path: Path, data: string | Uint8Array) => fs.writeFileSync(path, data)
export const stat = async (path: Path) => fs.statSync(path)
export const lstat = async (path: Path) => fs.lstatSync(path)
export const readdir = async (path: Path, options?: Parameters<typeof fs.readdirSync>[1]) =>
  fs.readdirSync(path, options)
export const mkdir = async (path: Path, options?: { recursive?: boolean }) => fs.mkdirSync(path, options)
export const mkdtemp = async (start: string) => fs.mkdtempSync(start)
export const rename = async (from: Path, to: Path) => fs.renameSync(from, to)
export const rm = async (path: Path, options?: Parameters<typeof fs.rmSync>[1]) => fs.rmSync(path, options)
export const unlink = async (path: Path) => fs.rmSync(path)
export const realpath = async (path: Path) => fs.realpathSync(path)
export const access = async (path: Path) => void fs.statSync(path)

export async function rmdir(path: Path): Promise<void> {
  const folder = tree.absolute(path)
  if (tree.namesIn(folder).length > 0) throw tree.failure('ENOTEMPTY', folder)
  tree.removeAt(folder)
}

export async function symlink(to: string, path: Path): Promise<void> {
  const place = tree.absolute(path)
  if (tree.leafAt(place)) throw tree.failure('EEXIST', place)
  tree.putLeaf(place, { link: to })
}

export async function readlink(path: Path): Promise<string> {
  const link = tree.leafAt(tree.absolute(path))?.link
  if (!link) throw tree.failure('ENOENT', path)
  return link
}

export async function utimes(path: Path, _accessed: unknown, changed: Date | number): Promise<void> {
  const leaf = tree.leafAt(tree.resolved(path))
  if (leaf) leaf.changedMs = changed instanceof Date ? changed.getTime() : changed * 1000
}
