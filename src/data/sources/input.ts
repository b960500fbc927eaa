import type { ByteInput } from '../../formats/index.ts'
import type { FileKind, ReaderSettings } from './parts.ts'

/** Bytes that hold rows of a known kind. */
export interface Input {
  /** What rows and errors call them. */
  file: string
  bytes: string | ByteInput
  kind: FileKind
  settings: ReaderSettings
}
