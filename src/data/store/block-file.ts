import { randomBytes } from 'node:crypto'
import { closeSync, constants, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
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
  /** Goes on with what lies at another path now, to be read only: Windows moves no folder in which a file is open. */
  reopen(path: string): void
  close(): void
}

/** Files that nobody reads any more. */
const closing = new FinalizationRegistry<number>((file) => closeSync(file))

const isWindows = process.platform === 'win32'
/** Of Windows: the system removes the file when it is closed. Node passes it on (UV_FS_O_TEMPORARY), and has no name for it. */
const removedWhenClosed = 0x40

/** A file that goes when it is closed, at the latest with the process; TMPDIR (TEMP on Windows) names the disk. */
export function createTemporaryFile(): BlockFile {
  const path = join(tmpdir(), `fettle-${randomBytes(8).toString('hex')}`)
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
  const file = openSync(path, isWindows ? flags | removedWhenClosed : flags, 0o600)
  // Elsewhere an open file needs no name.
  if (!isWindows) rmSync(path)
  const variable = isWindows ? 'TEMP' : 'TMPDIR'
  return blockFile(file, tmpdir(), `Name a folder with more room in the environment variable ${variable}.`)
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

function blockFile(opened: number, place: string, cure: string): BlockFile {
  let file: number | undefined = opened
  let size = 0
  const descriptor = (): number => {
    if (file === undefined) throw new Error(`${place} is closed`)
    return file
  }
  const made: BlockFile = {
    place,
    append(bytes) {
      const at = size
      try {
        for (let done = 0; done < bytes.length;)
          done += writeSync(descriptor(), bytes, done, bytes.length - done, at + done)
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
        const count = readSync(descriptor(), to, done, to.length - done, at + done)
        if (count === 0) return false
        done += count
      }
      return true
    },
    sync: () => fsyncSync(descriptor()),
    reopen(path) {
      made.close()
      file = openSync(path, 'r')
      closing.register(made, file, made)
    },
    close() {
      if (file === undefined) return
      closing.unregister(made)
      closeSync(file)
      file = undefined
    },
  }
  closing.register(made, opened, made)
  return made
}
