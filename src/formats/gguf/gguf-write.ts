import { FettleError } from '../../error.ts'
import { refuseFull } from '../files/free-space.ts'
import { writeAtomically, type AtomicFile } from '../files/atomic.ts'
import { ggufTypes, type GgufTypeName } from '../blocks/index.ts'
import type { GgufValue } from './gguf.ts'

/** How a metadata value is stored, in the order of the format's numbers for them; 9 is a list. */
const valueTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'list',
  'u64',
  'i64',
  'f64',
] as const

type ScalarType = Exclude<(typeof valueTypes)[number], 'list'>

/** A metadata value with its type, which readers look at. */
export type GgufEntry =
  | { type: ScalarType; value: GgufValue }
  | { type: 'list'; of: ScalarType; value: readonly GgufValue[] }

/** A tensor to write; `data` is asked for when its turn comes, and may come in pieces. */
export interface GgufTensorToWrite {
  name: string
  type: GgufTypeName
  /** Row-major. */
  shape: readonly number[]
  data(): AsyncIterable<Uint8Array>
}

/** Where tensors begin: at multiples of it. */
const alignment = 32

const padding = (bytes: number) => new Uint8Array((alignment - (bytes % alignment)) % alignment)

/** Bytes of a tensor. */
export function ggufByteLength({ type, shape }: Pick<GgufTensorToWrite, 'type' | 'shape'>): number {
  const { blockSize, blockBytes } = ggufTypes[type]
  return (shape.reduce((product, size) => product * size, 1) / blockSize) * blockBytes
}

/**
 * Writes a GGUF file (version 3) tensor by tensor. It appears whole or not at all.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws FettleError when the disk fails or a tensor has not the bytes of its shape
 */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  const header = makeHeader(metadata, tensors)
  const bytes = tensors.reduce((sum, tensor) => sum + ggufByteLength(tensor), header.length)
  refuseFull(path, bytes)
  await writeAtomically(
    path,
    async (file) => {
      await file.write(header)
      await file.write(padding(header.length))
      for (const tensor of tensors) await writeTensor(file, path, tensor)
    },
    bytes,
  )
}

async function writeTensor(file: AtomicFile, path: string, tensor: GgufTensorToWrite): Promise<void> {
  const expected = ggufByteLength(tensor)
  let bytes = 0
  for await (const piece of tensor.data()) {
    bytes += piece.byteLength
    await file.write(piece)
  }
  if (bytes !== expected)
    throw new FettleError(
      {
        place: `${path}: tensor ${tensor.name}`,
        found: `${bytes} bytes`,
        expected: `${expected} for ${tensor.type} [${tensor.shape.join(', ')}]`,
      },
      { exitCode: 1 },
    )
  await file.write(padding(bytes))
}

/** Magic, version, counts, metadata and the directory of tensors. */
function makeHeader(metadata: ReadonlyMap<string, GgufEntry>, tensors: readonly GgufTensorToWrite[]): Buffer {
  const out = byteWriter()
  out.put('u32', 0x46554747)
  out.put('u32', 3)
  out.put('u64', tensors.length)
  out.put('u64', metadata.size)
  for (const [key, entry] of metadata) {
    out.put('string', key)
    out.put('u32', valueTypes.indexOf(entry.type))
    if (entry.type !== 'list') {
      out.put(entry.type, entry.value)
      continue
    }
    out.put('u32', valueTypes.indexOf(entry.of))
    out.put('u64', entry.value.length)
    for (const value of entry.value) out.put(entry.of, value)
  }
  let offset = 0
  for (const tensor of tensors) {
    const { name, shape, type } = tensor
    out.put('string', name)
    out.put('u32', shape.length)
    for (const size of shape.toReversed()) out.put('u64', size)
    out.put('u32', ggufTypes[type].id)
    out.put('u64', offset)
    const bytes = ggufByteLength(tensor)
    offset += bytes + padding(bytes).length
  }
  return out.bytes()
}

/** Little-endian values one after the other. */
function byteWriter(): { put(type: ScalarType, value: GgufValue): void; bytes(): Buffer } {
  let buffer = Buffer.alloc(1 << 16)
  let at = 0
  const room = (bytes: number): number => {
    if (at + bytes > buffer.length) {
      const grown = Buffer.alloc(Math.max(2 * buffer.length, at + bytes))
      buffer.copy(grown, 0, 0, at)
      buffer = grown
    }
    at += bytes
    return at - bytes
  }
  // Making room may replace the buffer, so it comes first.
  const fixed = (bytes: number, write: (value: GgufValue, index: number) => void) => (value: GgufValue) => {
    const index = room(bytes)
    write(value, index)
  }
  const writers: Record<ScalarType, (value: GgufValue) => void> = {
    u8: fixed(1, (value, index) => buffer.writeUInt8(Number(value), index)),
    i8: fixed(1, (value, index) => buffer.writeInt8(Number(value), index)),
    u16: fixed(2, (value, index) => buffer.writeUInt16LE(Number(value), index)),
    i16: fixed(2, (value, index) => buffer.writeInt16LE(Number(value), index)),
    u32: fixed(4, (value, index) => buffer.writeUInt32LE(Number(value), index)),
    i32: fixed(4, (value, index) => buffer.writeInt32LE(Number(value), index)),
    f32: fixed(4, (value, index) => buffer.writeFloatLE(Number(value), index)),
    bool: fixed(1, (value, index) => buffer.writeUInt8(value === true ? 1 : 0, index)),
    u64: fixed(8, (value, index) => buffer.writeBigUInt64LE(BigInt(value as number | bigint), index)),
    i64: fixed(8, (value, index) => buffer.writeBigInt64LE(BigInt(value as number | bigint), index)),
    f64: fixed(8, (value, index) => buffer.writeDoubleLE(Number(value), index)),
    string(value) {
      const text = Buffer.from(String(value))
      writers.u64(text.length)
      const index = room(text.length)
      text.copy(buffer, index)
    },
  }
  return {
    put: (type, value) => writers[type](value),
    bytes: () => buffer.subarray(0, at),
  }
}
