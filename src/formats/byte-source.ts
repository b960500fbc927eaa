import { readTensorBytes } from './tensor-bytes.ts'

/** Bytes that can be read: of a file, which whoever can may map instead, or from anywhere else. */
export interface ByteSource {
  /** Of the file that holds them at the same offsets. */
  readonly path?: string
  /** @throws where there are fewer */
  read(offset: number, byteLength: number): Promise<Uint8Array>
}

/** The bytes of a file. */
export function fileBytes(path: string): ByteSource {
  return { path, read: (offset, byteLength) => readTensorBytes({ path, offset, byteLength }) }
}
