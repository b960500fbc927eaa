import type { Embedding } from '../blocks/embedding.ts'
import type { TensorSlice } from '../weights/tensor-slice.ts'

/** A trained tensor of a file, or one matrix of several that a file stacks, within the flat parameters: rows of `columns`, `stride` apart. */
export interface TrainedMatrix {
  /** Of the tensor in files. */
  name: string
  /** Of its first number in the flat parameters. */
  start: number
  /** A vector is one row. */
  rows: number
  columns: number
  stride: number
  kind: 'vector' | 'matrix' | 'embedding' | 'head'
}

/** What is known of a trainable tensor. */
interface Trained {
  key: string
  start: number
  shape: readonly number[]
  slices: readonly TensorSlice[]
}

/** What optimisers that look at whole matrices work on, in the order of the flat parameters. */
export function trainedMatrices(
  tensors: readonly Trained[],
  { embedding, head }: { embedding: Pick<Embedding, 'table' | 'others'>; head: { key: string } },
): TrainedMatrix[] {
  const embeddings = new Set([embedding.table, ...embedding.others].map(({ key }) => key))
  const all = tensors.flatMap(({ key, start: first, shape, slices }): TrainedMatrix[] => {
    const kind = embeddings.has(key)
      ? 'embedding'
      : key === head.key
        ? 'head'
        : shape.length === 1
          ? 'vector'
          : 'matrix'
    // Tied tensors have two names in files, and one place.
    const places = new Map(slices.map((slice) => [slice.offset, slice]))
    return [...places.values()].flatMap(({ name, shape: inFile, offset, rows, columns, stride }) => {
      const start = first + offset
      if (kind === 'vector')
        return [{ name, start, rows: 1, columns: rows * columns, stride: rows * columns, kind }]
      const count = inFile.length === 3 && rows % inFile[0] === 0 ? inFile[0] : 1
      const each = rows / count
      return Array.from({ length: count }, (_, i) => ({
        name,
        start: start + i * each * stride,
        rows: each,
        columns,
        stride,
        // A convolution along the tokens has a vector for each channel.
        kind: count > 1 && each === 1 ? 'vector' : kind,
      }))
    })
  })
  return all.toSorted((x, y) => x.start - y.start)
}
