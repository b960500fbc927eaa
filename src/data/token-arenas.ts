import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FettleError } from '../error.ts'

/** Where an example's tokens lie. */
export interface TokenPlace {
  arena: number
  /** Of the first token. */
  offset: number
}

/** Token ids and a bit for each, of which only the newest stay in memory. */
export interface TokenArenas {
  add(ids: Int32Array, mask: Uint8Array): TokenPlace
  read(place: TokenPlace, size: number): { ids: Int32Array; mask: Uint8Array }
}

/** Tokens of an arena; examples never cross arenas, so that each is one piece of memory. */
const arenaTokens = 1 << 20
/** Arenas that stay in memory, 4⅛ MiB each. Most data sets need no file. */
const heldArenas = 8

interface Arena {
  ids: Int32Array
  /** One bit a token. */
  bits: Uint8Array
  used: number
}

/** A full arena in the file. */
interface Spilled {
  idsAt: number
  bitsAt: number
}

/** Files of arenas that nobody reads any more. */
const closing = new FinalizationRegistry<number>((file) => closeSync(file))

/**
 * Arenas that move to a temporary file, without a name, as they fill up: memory does not grow with the tokens. The operating
 * system keeps in its cache what it has room for; TMPDIR names the disk.
 *
 * @throws FettleError when the disk is full or the folder cannot be written
 */
export function createTokenArenas(): TokenArenas {
  const arenas: (Arena | Spilled)[] = []
  let firstHeld = 0
  let file: number | undefined
  let fileSize = 0

  function write(bytes: Uint8Array): number {
    if (file === undefined) {
      file = openNameless()
      closing.register(tokenArenas, file)
    }
    const at = fileSize
    for (let done = 0; done < bytes.length;)
      done += writeSync(file, bytes, done, bytes.length - done, at + done)
    fileSize += bytes.length
    return at
  }

  function spill({ ids, bits, used }: Arena): Spilled {
    try {
      return {
        idsAt: write(new Uint8Array(ids.buffer, 0, 4 * used)),
        bitsAt: write(bits.subarray(0, Math.ceil(used / 8))),
      }
    } catch (error) {
      throw new FettleError(
        {
          place: tmpdir(),
          found: error instanceof Error ? error.message : String(error),
          expected: 'room for the prepared tokens, 4⅛ bytes each',
          cure: 'Name a folder with more room in the environment variable TMPDIR.',
        },
        { exitCode: 1, cause: error },
      )
    }
  }

  function arenaFor(tokens: number): Arena {
    const last = arenas.at(-1)
    if (last && 'ids' in last && last.used + tokens <= last.ids.length) return last
    if (arenas.length - firstHeld >= heldArenas) {
      const oldest = arenas[firstHeld]
      if ('ids' in oldest) arenas[firstHeld++] = spill(oldest)
    }
    const size = Math.max(arenaTokens, tokens)
    const arena = { ids: new Int32Array(size), bits: new Uint8Array(Math.ceil(size / 8)), used: 0 }
    arenas.push(arena)
    return arena
  }

  const tokenArenas: TokenArenas = {
    add(ids, mask) {
      const arena = arenaFor(ids.length)
      const place = { arena: arenas.length - 1, offset: arena.used }
      arena.ids.set(ids, arena.used)
      for (let i = 0; i < mask.length; i++) {
        if (mask[i] === 0) continue
        const bit = arena.used + i
        arena.bits[bit >> 3] |= 1 << (bit & 7)
      }
      arena.used += ids.length
      return place
    },
    read({ arena: index, offset }, size) {
      const arena = arenas[index]
      const firstByte = offset >> 3
      const byteCount = ((offset + size + 7) >> 3) - firstByte
      let ids: Int32Array
      let bits: Uint8Array
      if ('ids' in arena) {
        ids = arena.ids.subarray(offset, offset + size)
        bits = arena.bits.subarray(firstByte, firstByte + byteCount)
      } else {
        ids = new Int32Array(size)
        bits = new Uint8Array(byteCount)
        readAll(file, new Uint8Array(ids.buffer), arena.idsAt + 4 * offset)
        readAll(file, bits, arena.bitsAt + firstByte)
      }
      const mask = new Uint8Array(size)
      for (let i = 0; i < size; i++) {
        const bit = (offset & 7) + i
        mask[i] = (bits[bit >> 3] >> (bit & 7)) & 1
      }
      return { ids, mask }
    },
  }
  return tokenArenas
}

/** A file that goes when its descriptor is closed, at the latest with the process. */
function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-'))
  const file = openSync(join(folder, 'tokens'), 'w+', 0o600)
  rmSync(folder, { recursive: true })
  return file
}

function readAll(file: number | undefined, to: Uint8Array, at: number): void {
  if (file === undefined) throw new Error('an arena was spilled without a file')
  for (let done = 0; done < to.length;) {
    const count = readSync(file, to, done, to.length - done, at + done)
    if (count === 0) throw new Error('the file of prepared tokens is shorter than what was written')
    done += count
  }
}
