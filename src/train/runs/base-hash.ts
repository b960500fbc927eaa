import { createHash, type Hash } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ggufPartName, ggufPartOf, openWeightFiles } from '../../formats/index.ts'

/** What is read at each place of a file. */
const sampledBytes = 4096
/** Places of a .gguf file. */
const sampledPlaces = 256

/**
 * A hash that tells base models apart without reading them. Of a folder: SHA-256 of config.json and, of each tensor of the weights,
 * its name, type, shape and the 4 KiB in its middle. Of a .gguf file (of each part, where it is split): its size and 4 KiB at 256
 * places, from its beginning on at equal distances. Training a matrix changes numbers all over it, so that another fine-tune of the
 * same model has another hash; a change of a few numbers elsewhere goes unseen.
 *
 * @returns null for a model that no file holds
 */
export async function hashBase(path: string): Promise<string | null> {
  if (!existsSync(path)) return null
  const hash = createHash('sha256')
  if (statSync(path).isFile()) for (const part of partsOf(path)) hashGguf(hash, part)
  else await hashFolder(hash, path)
  return `sha256:${hash.digest('hex')}`
}

async function hashFolder(hash: Hash, path: string): Promise<void> {
  hash.update(await readFile(join(path, 'config.json')))
  const tensors = [...(await openWeightFiles(path))].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const files = new Map<string, number>()
  try {
    for (const [name, tensor] of tensors) {
      hash.update(`${name} ${tensor.dtype} ${tensor.shape.join()}\n`)
      const file = files.get(tensor.path) ?? openSync(tensor.path, 'r')
      files.set(tensor.path, file)
      const rest = Math.max(0, tensor.byteLength - sampledBytes)
      sample(hash, file, tensor.offset + Math.floor(rest / 2), Math.min(sampledBytes, tensor.byteLength))
    }
  } finally {
    for (const file of files.values()) closeSync(file)
  }
}

function hashGguf(hash: Hash, path: string): void {
  const { size } = statSync(path)
  hash.update(`${size}\n`)
  const file = openSync(path, 'r')
  try {
    for (let i = 0; i < sampledPlaces; i++)
      sample(
        hash,
        file,
        Math.floor((i * Math.max(0, size - sampledBytes)) / (sampledPlaces - 1)),
        sampledBytes,
      )
  } finally {
    closeSync(file)
  }
}

/** `model-00001-of-00003.gguf` and those beside it. */
function partsOf(path: string): string[] {
  const name = ggufPartOf(path)
  if (name === undefined) return [path]
  const parts = Array.from({ length: name.count }, (_, i) => ggufPartName(name, i + 1))
  return parts.filter((part) => existsSync(part))
}

/** Without a turn of the event loop, which costs more than the read. */
function sample(hash: Hash, file: number, offset: number, size: number): void {
  const buffer = Buffer.alloc(size)
  hash.update(buffer.subarray(0, readSync(file, buffer, 0, size, offset)))
}
