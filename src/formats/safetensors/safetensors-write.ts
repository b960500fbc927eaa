import { FettleError } from '../../error.ts'
import { writeAtomically } from '../files/atomic.ts'
import { bytesPerElement, type SafetensorsDtype } from './safetensors.ts'

/** A tensor to save; `data` may be made just before it is written, whole or in pieces, and dropped afterwards. */
export interface TensorToWrite {
  name: string
  dtype: SafetensorsDtype
  /** Row-major. */
  shape: readonly number[]
  data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView> | AsyncIterable<ArrayBufferView>)
}

/** Without this entry transformers refuses to load a file. */
const defaultMetadata = { format: 'pt' }

const rankOfDtype = new Map(Object.keys(bytesPerElement).map((dtype, rank) => [dtype, rank]))

/** The library's order, in which every tensor is aligned to its element size: widest dtype first, then by name. */
function compare(a: TensorToWrite, b: TensorToWrite): number {
  const byDtype = (rankOfDtype.get(b.dtype) ?? 0) - (rankOfDtype.get(a.dtype) ?? 0)
  return byDtype !== 0 ? byDtype : a.name < b.name ? -1 : 1
}

function byteLengthOf({ dtype, shape }: TensorToWrite): number {
  return shape.reduce((product, size) => product * size, bytesPerElement[dtype])
}

/** The 8 bytes of length and the JSON header, padded with spaces so that the data begins at a multiple of 8. */
function makeHeader(tensors: readonly TensorToWrite[], metadata: Record<string, string>): Buffer {
  const entries: Record<string, unknown> = { __metadata__: metadata }
  let end = 0
  for (const tensor of tensors) {
    if (Object.hasOwn(entries, tensor.name))
      throw new FettleError({ place: `tensor ${tensor.name}`, found: 'the name twice', expected: 'once' })
    const begin = end
    end += byteLengthOf(tensor)
    entries[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }
  }
  const json = Buffer.from(JSON.stringify(entries))
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return header
}

/**
 * Writes a safetensors file tensor by tensor: only one (or a piece) is in memory at a time when `data` is a function.
 * The file appears whole or not at all (see `writeAtomically`).
 *
 * @throws FettleError when the disk fails, a name comes twice or a tensor has not the bytes of its shape
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Record<string, string> = defaultMetadata,
): Promise<void> {
  const sorted = [...tensors].toSorted(compare)
  const header = makeHeader(sorted, metadata)
  await writeAtomically(
    path,
    async (file) => {
      await file.write(header)
      for (const tensor of sorted) {
        const data = typeof tensor.data === 'function' ? tensor.data() : tensor.data
        let bytes = 0
        for await (const piece of Symbol.asyncIterator in data ? data : [await data]) {
          bytes += piece.byteLength
          await file.write(piece)
        }
        if (bytes !== byteLengthOf(tensor))
          throw new FettleError(
            {
              place: `${path}: tensor ${tensor.name}`,
              found: `${bytes} bytes`,
              expected: `${byteLengthOf(tensor)} for ${tensor.dtype} [${tensor.shape.join(', ')}]`,
            },
            { exitCode: 1 },
          )
      }
    },
    sorted.reduce((sum, tensor) => sum + byteLengthOf(tensor), header.length),
  )
}
