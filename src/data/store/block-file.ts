import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteCount } from '../../byte-count.ts'
import { FettleError, messageOf } from '../../error.ts'
import { leftAt } from '../../formats/index.ts'

/** A file that grows at its end and is read anywhere. */
export interface BlockFile {
  /** Folder or file, for messages. */
  readonly place: string
  /** Appends bytes and says where they begin. */
  append(bytes: Uint8Array): number
  /**
   * Fills `to` with the bytes from `at` on.
   *
   * @returns false where the file ends before
   */
  read(to: Uint8Array, at: number): boolean
  /** What was appended survives a power cut. */
  sync(): void
  close(): void
}

/** Files that nobody reads any more. */
const closing = new FinalizationRegistry<number>((file) => closeSync(file))

/** A file without a name, that goes when it is closed, at the latest with the process; TMPDIR names the disk. */
export function createTemporaryFile(): BlockFile {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-'))
  const file = openSync(join(folder, 'tokens'), 'w+', 0o600)
  rmSync(folder, { recursive: true })
  return blockFile(file, tmpdir(), 'Name a folder with more room in the environment variable TMPDIR.')
}

/** A new file. */
export function createBlockFile(path: string): BlockFile {
  const cure = 'Make room, name another folder with cache_dir, or go without it: cache: false.'
  return blockFile(openSync(path, 'wx+', 0o644), path, cure)
}

/** A file that is there, to be read. */
export function openBlockFile(path: string): BlockFile {
  return blockFile(openSync(path, 'r'), path, '')
}

function blockFile(file: number, place: string, cure: string): BlockFile {
  let size = 0
  let isOpen = true
  const made: BlockFile = {
    place,
    append(bytes) {
      const at = size
      try {
        for (let done = 0; done < bytes.length;)
          done += writeSync(file, bytes, done, bytes.length - done, at + done)
      } catch (error) {
        throw new FettleError(
          {
            place,
            found: `${messageOf(error)}${leftAt(place)}`,
            expected: `room for the prepared tokens, 4⅛ bytes each; ${byteCount(at)} were written`,
            cure,
          },
          { exitCode: 1, cause: error },
        )
      }
      size += bytes.length
      return at
    },
    read(to, at) {
      for (let done = 0; done < to.length;) {
        const count = readSync(file, to, done, to.length - done, at + done)
        if (count === 0) return false
        done += count
      }
      return true
    },
    sync: () => fsyncSync(file),
    close() {
      if (!isOpen) return
      isOpen = false
      closing.unregister(made)
      closeSync(file)
    },
  }
  closing.register(made, file, made)
  return made
}
