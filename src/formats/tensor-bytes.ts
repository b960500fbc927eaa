import { open } from 'node:fs/promises'
import { FettleError } from '../error.ts'
import { bfloat16ToFloat32, float16ToFloat32 } from '../float16.ts'
import type { SafetensorsDtype } from './safetensors/safetensors.ts'

/** A stretch of a file; tensors of safetensors and GGUF files are such stretches. */
export interface ByteRange {
  path: string
  offset: number
  byteLength: number
}

/** Below the 2 GiB at which one read call is cut short. */
const chunkBytes = 1 << 30

/**
 * Reads a tensor's bytes into fresh memory, or into `target` (a shared or mapped buffer, say).
 * Part of a tensor is read by giving another range: `{ ...info, offset, byteLength }`.
 */
export async function readTensorBytes(
  { path, offset, byteLength }: ByteRange,
  target: Uint8Array = new Uint8Array(byteLength),
): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    for (let done = 0; done < byteLength;) {
      const length = Math.min(chunkBytes, byteLength - done)
      const { bytesRead } = await handle.read(target, done, length, offset + done)
      if (bytesRead === 0)
        throw new FettleError({
          place: path,
          found: `the end of the file after ${offset + done} bytes`,
          expected: `${offset + byteLength}`,
          cure: 'The file changed while it was read: save or download it again.',
        })
      done += bytesRead
    }
  } finally {
    await handle.close()
  }
  return target
}

/** Float32 values of a tensor's bytes; for F32 at an aligned address it is a view of the same memory. */
export function toFloat32(bytes: Uint8Array, dtype: SafetensorsDtype): Float32Array {
  switch (dtype) {
    case 'F32': {
      const { buffer, byteOffset, byteLength } = alignTo(4, bytes)
      return new Float32Array(buffer, byteOffset, byteLength / 4)
    }
    case 'F16':
      return float16ToFloat32(asWords(bytes))
    case 'BF16':
      return bfloat16ToFloat32(asWords(bytes))
    default:
      throw new FettleError({
        place: 'tensor',
        found: `dtype ${dtype}`,
        expected: 'F32, F16 or BF16',
        cure: 'Save the model in one of these.',
      })
  }
}

/** 16-bit words over the same bytes. */
export function asWords(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = alignTo(2, bytes)
  return new Uint16Array(buffer, byteOffset, byteLength / 2)
}

/** Typed arrays demand aligned addresses; what is not aligned is copied. */
function alignTo(size: number, bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
}
