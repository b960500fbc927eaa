import type { ByteRange } from '../../../formats/index.ts'
import { readTensorBytes } from '../../../formats/index.ts'
import type { Check } from '../../check.ts'
import type { Draft } from '../../diagnosis.ts'
import { plural } from '../../../plural.ts'

/** Bytes of a tensor that are looked at at a time. */
const pieceBytes = 1 << 22

/** Exponents of ones are infinities and NaN: the bits of the exponent, in words of this many bytes. */
const exponents: Readonly<Record<string, { bytes: 2 | 4; bits: number }>> = {
  BF16: { bytes: 2, bits: 0x7f80 },
  F16: { bytes: 2, bits: 0x7c00 },
  F32: { bytes: 4, bits: 0x7f800000 },
}

type StoredTensor = ByteRange & { name: string; dtype: string }

/** NaN and infinities among a model's or an adapter's weights. */
export const weightsNotFinite: Check = {
  looksFor: 'weights that are NaN or infinite',
  async examine({ model, adapter }) {
    const drafts: Draft[] = []
    const quantised = [...(model?.ggufTensors.values() ?? [])].map(({ type, ...tensor }) => ({
      ...tensor,
      dtype: type,
    }))
    for (const [files, tensors] of [
      [model, [...(model?.tensors.values() ?? []), ...quantised]],
      [adapter, [...(adapter?.tensors.values() ?? [])]],
    ] as const) {
      const found = await notFinite(tensors)
      if (files === undefined || found.length === 0) continue
      const total = found.reduce((sum, { count }) => sum + count, 0)
      drafts.push({
        severity: 'error',
        place: files.path,
        found: `${plural(total, 'weight is', 'weights are')} NaN or infinite, in ${plural(found.length, 'tensor')}`,
        evidence: found
          .slice(0, 3)
          .map(({ name, count }) => ({ place: name, says: plural(count, 'number') })),
        why: 'Every answer and every gradient that meets them is NaN as well.',
        cure: 'Download the files again; if a run wrote them, go back to a checkpoint before its loss was NaN.',
      })
    }
    return drafts
  },
}

async function notFinite(tensors: readonly StoredTensor[]): Promise<{ name: string; count: number }[]> {
  const found: { name: string; count: number }[] = []
  const piece = new Uint8Array(pieceBytes)
  for (const { name, dtype, path, offset, byteLength } of tensors) {
    const exponent = Object.hasOwn(exponents, dtype) ? exponents[dtype] : undefined
    if (exponent === undefined) continue
    let count = 0
    for (let done = 0; done < byteLength; done += pieceBytes) {
      const length = Math.min(pieceBytes, byteLength - done)
      const bytes = await readTensorBytes(
        { path, offset: offset + done, byteLength: length },
        piece.subarray(0, length),
      )
      count += countOnes(bytes, exponent)
    }
    if (count > 0) found.push({ name, count })
  }
  return found
}

function countOnes(bytes: Uint8Array, { bytes: width, bits }: { bytes: 2 | 4; bits: number }): number {
  const { buffer, byteOffset, byteLength } = bytes
  const words =
    width === 2
      ? new Uint16Array(buffer, byteOffset, byteLength / 2)
      : new Uint32Array(buffer, byteOffset, byteLength / 4)
  let count = 0
  for (let i = 0; i < words.length; i += 1) if ((words[i] & bits) === bits) count += 1
  return count
}
