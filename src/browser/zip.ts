import { zipSync } from 'fflate'

/** Files as one ZIP archive, stored as they are: weights do not become smaller. The same files give the same bytes. */
export function zipOf(files: Record<string, Uint8Array<ArrayBuffer>>): Blob {
  return new Blob([zipSync(files, { level: 0, mtime: new Date(1980, 0, 1) })], { type: 'application/zip' })
}
