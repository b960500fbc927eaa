import { closeSync, fstatSync, openSync, statSync } from 'node:fs'
import { clipText, FettleError, messageOf, quoteValue } from '../../error.ts'
import { makeCursor, type Cursor } from './gguf-cursor.ts'
import { ggufTypeName, ggufTypes, type GgufTypeName } from '../blocks/index.ts'

/** A metadata value; 64-bit integers that a number cannot hold are bigint. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[]

/** Where a tensor lies and how it is stored. */
export interface GgufTensor {
  name: string
  type: GgufTypeName
  /** Row-major, as everywhere else: ggml's own order reversed. */
  shape: readonly number[]
  path: string
  /** Absolute, in the file. */
  offset: number
  byteLength: number
}

export interface GgufFile {
  version: number
  metadata: Map<string, GgufValue>
  tensors: Map<string, GgufTensor>
}

/**
 * Reads metadata and tensor directory of one GGUF file (version 2 or 3); the tensors' bytes are not touched.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws FettleError for other files, other versions, truncated or contradictory ones.
 */
export function readGgufFile(path: string): GgufFile {
  const descriptor = openForReading(path)
  try {
    const fileBytes = fstatSync(descriptor).size
    const cursor = makeCursor(descriptor, path, fileBytes)
    const version = readVersion(cursor, path)
    const tensorCount = cursor.count('number of tensors')
    const metadataCount = cursor.count('number of metadata entries')
    const metadata = new Map<string, GgufValue>()
    for (let i = 0; i < metadataCount; i++) {
      const key = cursor.string('a metadata key')
      if (metadata.has(key))
        throw new FettleError({
          place: `${path}: ${clipText(key)}`,
          found: 'the key twice',
          expected: 'once',
          cure: 'The file is damaged: download or save it again.',
        })
      metadata.set(key, readValue(cursor, cursor.u32(), `${path}: ${clipText(key)}`))
    }
    const entries = Array.from({ length: tensorCount }, () => readTensorEntry(cursor, path))
    const alignment = readAlignment(metadata, path)
    const dataStart = Math.ceil(cursor.position() / alignment) * alignment
    return { version, metadata, tensors: placeTensors(entries, dataStart, alignment, fileBytes) }
  } finally {
    closeSync(descriptor)
  }
}

function openForReading(path: string): number {
  try {
    // A pipe waits for who writes into it.
    if (statSync(path).isFIFO()) throw new Error('a pipe')
    return openSync(path, 'r')
  } catch (error) {
    throw new FettleError(
      {
        place: path,
        found: messageOf(error),
        expected: 'a GGUF file',
        cure: 'Check the path of the model.',
      },
      { cause: error },
    )
  }
}

function readVersion(cursor: Cursor, path: string): number {
  const magic = cursor.u32()
  if (magic !== 0x46554747)
    throw new FettleError({
      place: path,
      found: `a file that begins with 0x${magic.toString(16).padStart(8, '0')}`,
      expected: 'the letters GGUF',
      cure: 'This is not a GGUF file (or a git-lfs pointer to one: run git lfs pull).',
    })
  const version = cursor.u32()
  if (version !== 2 && version !== 3)
    throw new FettleError({
      place: path,
      found: version > 0xffff ? 'a big-endian GGUF file' : `GGUF version ${version}`,
      expected: 'little-endian version 2 or 3',
      cure: 'Convert the model again with a current llama.cpp.',
    })
  return version
}

/** More than any vocabulary has, or the merges of one: each value of a list takes memory. */
const mostItems = 10_000_000

/** Deeper nesting than any real file has; damaged ones must not overflow the stack. */
const maxDepth = 8

function readValue(cursor: Cursor, type: number, place: string, depth = 0): GgufValue {
  if (type === 9 && depth < maxDepth) {
    const itemType = cursor.u32()
    const length = cursor.count(`length of the list ${place}`)
    if (length > mostItems)
      throw new FettleError({ place, found: `a list of ${length} values`, expected: `at most ${mostItems}` })
    const items: GgufValue[] = []
    for (let i = 0; i < length; i++) items.push(readValue(cursor, itemType, place, depth + 1))
    return items
  }
  const read = scalarReaders[type]
  if (read === undefined)
    throw new FettleError({
      place,
      found: `value type ${type}`,
      expected: '0 to 12',
      cure: 'The file is damaged: download or save it again.',
    })
  return read(cursor)
}

const scalarReaders: Record<number, ((cursor: Cursor) => GgufValue) | undefined> = {
  0: (cursor) => cursor.u8(),
  1: (cursor) => cursor.i8(),
  2: (cursor) => cursor.u16(),
  3: (cursor) => cursor.i16(),
  4: (cursor) => cursor.u32(),
  5: (cursor) => cursor.i32(),
  6: (cursor) => cursor.f32(),
  7: (cursor) => cursor.u8() !== 0,
  8: (cursor) => cursor.string('a string'),
  10: (cursor) => cursor.u64(),
  11: (cursor) => cursor.i64(),
  12: (cursor) => cursor.f64(),
}

/** Until alignment is known, `offset` counts from where the data begins. */
function readTensorEntry(cursor: Cursor, path: string): GgufTensor {
  const name = cursor.string('a tensor name')
  const place = `${path}: tensor ${clipText(name)}`
  const dimensions = cursor.u32()
  if (dimensions > 8)
    throw new FettleError({ place, found: `${dimensions} dimensions`, expected: 'at most 4' })
  const shape = Array.from({ length: dimensions }, () => cursor.count('dimension')).toReversed()
  const typeId = cursor.u32()
  const type = ggufTypeName(typeId)
  if (type === undefined)
    throw new FettleError({
      place,
      found: `tensor type ${typeId}`,
      expected: Object.keys(ggufTypes).join(', '),
      cure: 'Convert the model to Q8_0, Q4_K, BF16 or F16 with llama-quantize.',
    })
  const { blockSize, blockBytes } = ggufTypes[type]
  const width = shape.at(-1) ?? 1
  if (width % blockSize !== 0)
    throw new FettleError({ place, found: `rows of ${width} values`, expected: `a multiple of ${blockSize}` })
  const values = shape.reduce((product, size) => product * size, 1)
  return {
    name,
    type,
    shape,
    path,
    offset: Number(cursor.u64()),
    byteLength: (values / blockSize) * blockBytes,
  }
}

function readAlignment(metadata: GgufFile['metadata'], path: string): number {
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment === 'number' && Number.isInteger(Math.log2(alignment))) return alignment
  throw new FettleError({
    place: `${path}: general.alignment`,
    found: quoteValue(alignment),
    expected: 'a power of two',
  })
}

function placeTensors(entries: GgufTensor[], dataStart: number, alignment: number, fileBytes: number) {
  const tensors = new Map<string, GgufTensor>()
  for (const entry of entries) {
    const place = `${entry.path}: tensor ${clipText(entry.name)}`
    const offset = dataStart + entry.offset
    if (tensors.has(entry.name)) throw new FettleError({ place, found: 'the name twice', expected: 'once' })
    if (entry.offset % alignment !== 0)
      throw new FettleError({
        place,
        found: `offset ${entry.offset}`,
        expected: `a multiple of ${alignment}`,
        cure: 'The file is damaged: download or save it again.',
      })
    if (!(offset + entry.byteLength <= fileBytes))
      throw new FettleError({
        place,
        found: `data up to byte ${offset + entry.byteLength} in a file of ${fileBytes}`,
        cure: 'The file is incomplete: download or save it again.',
      })
    tensors.set(entry.name, { ...entry, offset })
  }
  return tensors
}
