import { isUtf8 } from 'node:buffer'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { clipText, FettleError, messageOf, quoteValue } from '../../error.ts'
import { isJsonObject } from '../foreign/index.ts'

/** Element types of safetensors, in the order in which its library sorts them, with their bytes. */
export const bytesPerElement = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const

export type SafetensorsDtype = keyof typeof bytesPerElement

/** Where a tensor lies: everything that is needed to read it later. */
export interface TensorInfo {
  name: string
  dtype: SafetensorsDtype
  /** Row-major. */
  shape: readonly number[]
  path: string
  /** Absolute, in the file. */
  offset: number
  byteLength: number
}

export interface SafetensorsHeader {
  tensors: Map<string, TensorInfo>
  metadata: Record<string, string>
}

/** The library's own limit: a header beyond it is damage or an attack. */
const maxHeaderBytes = 100_000_000

const truncatedCure = 'The file is incomplete or damaged: download or save it again.'

/**
 * Reads and checks the header of a safetensors file; the tensors' bytes are not touched.
 *
 * @throws FettleError when anything in the header contradicts itself or the file's size.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const handle = await openForReading(path)
  try {
    const { size } = await handle.stat()
    const { text, dataStart } = await readHeaderText(handle, path, size)
    return parseHeader(path, text, dataStart, size)
  } finally {
    await handle.close()
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // A pipe waits for who writes into it.
    if ((await stat(path)).isFIFO()) throw new Error('a pipe')
    return await open(path, 'r')
  } catch (error) {
    throw new FettleError(
      {
        place: path,
        found: messageOf(error),
        expected: 'a safetensors file',
        cure: 'Check the path of the model.',
      },
      { cause: error },
    )
  }
}

async function readHeaderText(handle: FileHandle, path: string, size: number) {
  const prefix = Buffer.alloc(8)
  const { bytesRead } = await handle.read(prefix, 0, 8, 0)
  const length = bytesRead === 8 ? prefix.readBigUInt64LE() : 0n
  if (bytesRead < 8)
    throw new FettleError({
      place: path,
      found: `${size} bytes`,
      expected: 'at least the 8 bytes of a safetensors header length',
      cure: truncatedCure,
    })
  if (length > BigInt(maxHeaderBytes) || length < 2n) {
    const lfs = prefix.toString('latin1').startsWith('version ')
    throw new FettleError({
      place: path,
      found: lfs ? 'a git-lfs pointer instead of the file' : `a header of ${length} bytes`,
      expected: lfs ? 'a safetensors file' : `2 to ${maxHeaderBytes} bytes`,
      cure: lfs
        ? 'Run git lfs pull in the model folder.'
        : 'This is not a safetensors file, or it is damaged.',
    })
  }
  const headerBytes = Number(length)
  if (8 + headerBytes > size)
    throw new FettleError({
      place: path,
      found: `a header of ${headerBytes} bytes in a file of ${size}`,
      expected: `at least ${8 + headerBytes} bytes`,
      cure: truncatedCure,
    })
  const header = Buffer.alloc(headerBytes)
  for (let done = 0; done < headerBytes;) {
    const read = await handle.read(header, done, headerBytes - done, 8 + done)
    if (read.bytesRead === 0) break
    done += read.bytesRead
  }
  if (header[0] !== 0x7b || !isUtf8(header))
    throw new FettleError({
      place: path,
      found: 'a header that is not a JSON object in UTF-8',
      cure: truncatedCure,
    })
  return { text: header.toString('utf8'), dataStart: 8 + headerBytes }
}

function parseHeader(path: string, text: string, dataStart: number, size: number): SafetensorsHeader {
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (error) {
    throw new FettleError(
      { place: path, found: `a header that is not JSON (${messageOf(error)})`, cure: truncatedCure },
      { cause: error },
    )
  }
  if (!isJsonObject(header))
    throw new FettleError({ place: path, found: 'a header that is not a JSON object', cure: truncatedCure })
  const tensors = new Map<string, TensorInfo>()
  let metadata: Record<string, string> = {}
  let keys = 0
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = parseMetadata(path, entry)
    else tensors.set(name, parseEntry(path, name, entry, dataStart))
    keys += 1 + (isJsonObject(entry) ? Object.keys(entry).length : 0)
  }
  // JSON.parse keeps the last of two equal keys, where other readers keep the first or refuse the file.
  if (keys !== countKeys(text))
    throw new FettleError({
      place: path,
      found: 'a key twice in its header',
      expected: 'once',
      cure: truncatedCure,
    })
  checkLayout(path, [...tensors.values()], dataStart, size)
  return { tensors, metadata }
}

/** How many keys the objects of a JSON text have, those that stand twice counted twice. */
function countKeys(text: string): number {
  let keys = 0
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) keys += 1
  return keys
}

function parseMetadata(path: string, entry: unknown): Record<string, string> {
  if (entry === null) return {}
  const place = `${path}: __metadata__`
  if (!isJsonObject(entry))
    throw new FettleError({ place, found: quoteValue(entry), expected: 'texts by name', cure: truncatedCure })
  const metadata: Record<string, string> = {}
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string' || !isText(key) || !isText(value))
      throw new FettleError({
        place: `${place}.${clipText(key)}`,
        found: typeof value === 'string' ? 'half a surrogate pair' : typeof value,
        expected: 'a string',
      })
    metadata[key] = value
  }
  return metadata
}

/** Text that UTF-8 can say: JSON can escape half a surrogate pair. */
function isText(value: string): boolean {
  return !/\p{Surrogate}/u.test(value)
}

function parseEntry(path: string, name: string, entry: unknown, dataStart: number): TensorInfo {
  const place = `${path}: tensor ${clipText(name)}`
  const fail = (found: string, expected: string) =>
    new FettleError({ place, found, expected, cure: truncatedCure })
  if (!isText(name)) throw fail('half a surrogate pair in its name', 'text')
  if (!isJsonObject(entry)) throw fail('no description', 'dtype, shape and data_offsets')
  const { dtype, shape, data_offsets: offsets, ...others } = entry
  const [other] = Object.keys(others)
  if (other !== undefined) throw fail(`a key ${quoteValue(other)}`, 'dtype, shape and data_offsets')
  if (!isDtype(dtype)) throw fail(`dtype ${quoteValue(dtype)}`, Object.keys(bytesPerElement).join(', '))
  if (!isNaturals(shape)) throw fail(`shape ${quoteValue(shape)}`, 'a list of natural numbers')
  if (!isNaturals(offsets) || offsets.length !== 2)
    throw fail(`data_offsets ${quoteValue(offsets)}`, 'two natural numbers')
  const [begin = 0, end = 0] = offsets
  const byteLength = shape.reduce((product, size) => product * size, bytesPerElement[dtype])
  if (end - begin !== byteLength)
    throw fail(`${end - begin} bytes`, `${byteLength} for ${dtype} ${quoteValue(shape)}`)
  return { name, dtype, shape, path, offset: dataStart + begin, byteLength }
}

/** The tensors must follow one another without overlap or hole and end where the file ends. */
function checkLayout(path: string, tensors: TensorInfo[], dataStart: number, size: number): void {
  const sorted = tensors.toSorted((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)
  let end = dataStart
  for (const { name, offset, byteLength } of sorted) {
    if (offset !== end)
      throw new FettleError({
        place: `${path}: tensor ${clipText(name)}`,
        found: `data_offsets that begin at ${offset - dataStart}`,
        expected: `${end - dataStart}, where the tensor before it ends`,
        cure: truncatedCure,
      })
    end += byteLength
  }
  if (end !== size)
    throw new FettleError({
      place: path,
      found: `a file of ${size} bytes`,
      expected: `${end}, by its header`,
      cure: truncatedCure,
    })
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(bytesPerElement, value)
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}
