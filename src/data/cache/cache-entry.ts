import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { readFile, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FettleError } from '../../error.ts'
import {
  makeFolder,
  movePath,
  passingName,
  removePath,
  syncFolder,
  writeFileAtomic,
} from '../../formats/index.ts'
import { createBlockFile, openBlockFile, type BlockFile } from '../store/block-file.ts'
import { layoutOf } from '../store/block-reader.ts'
import { openExampleStore, type ExampleStore, type StoreTable } from '../store/example-store.ts'
import { entryFile, removeEntry, sweep } from './sweep.ts'

/*
 * An entry is a folder named by its key: a file of blocks for each of its stores, and entry.json with what finds the examples in them,
 * the hash of each block and, in its first line, its own hash. It is made under another name and renamed when all of it is on the disk:
 * an entry is whole, or it is not there. What is damaged later is told by the hashes.
 */

/** Stores by their names, and what else is to be known of them. */
export interface CachedStores {
  stores: Readonly<Record<string, ExampleStore>>
  meta: unknown
}

interface EntryContent {
  format: 1
  tables: Record<string, StoreTable>
  meta: unknown
}

/** Entries up to this size are checked as a whole when they are opened; of larger ones each block before its first use. */
const checkedBytes = 2 ** 30

/** An entry of a cache: what was found there, and what may be put there. */
export interface CacheEntry {
  /** Where it is, or will be. */
  readonly path: string
  /**
   * @returns what is there; `damaged` where it was not what had been written, and is gone now; undefined where nothing is
   */
  open(): Promise<CachedStores | 'damaged' | undefined>
  /** Begins to make it. */
  begin(): Promise<EntryMaker>
}

/** An entry that is being made. */
export interface EntryMaker {
  /** The file of a store. */
  file(name: string): BlockFile
  /** Puts the entry in its place; where another process was faster, its own stays there. */
  save(tables: Readonly<Record<string, StoreTable>>, meta: unknown): Promise<void>
  /** Leaves nothing behind but the stores, as long as they are open. */
  forget(): Promise<void>
  /** Leaves nothing behind. */
  discard(): Promise<void>
}

/**
 * The entry with a key.
 *
 * @param cache  folder of the cache
 * @param key    hash of all that decides what is in it
 */
export function cacheEntry(cache: string, key: string): CacheEntry {
  const folder = join(cache, 'prepared')
  const path = join(folder, key)
  return {
    path,
    async open() {
      const found = await readEntry(path)
      if (found === 'damaged') await removeEntry(path)
      return found
    },
    begin: () => makeEntry(folder, key),
  }
}

async function readEntry(path: string): Promise<CachedStores | 'damaged' | undefined> {
  const description = join(path, entryFile)
  let text: string
  try {
    text = await readFile(description, 'utf8')
  } catch {
    // A folder without it is none that was renamed into its place.
    return (await exists(path)) ? 'damaged' : undefined
  }
  const border = text.indexOf('\n')
  const content = text.slice(border + 1)
  if (text.slice(0, border) !== hashOf(content)) return 'damaged'
  const { tables, meta } = JSON.parse(content) as EntryContent
  const stores: Record<string, ExampleStore> = {}
  for (const [name, table] of Object.entries(tables)) {
    const place = join(path, name)
    const bytes = table.blocks.reduce((end, block) => Math.max(end, layoutOf(block).end), 0)
    const size = await stat(place).then(
      (found) => found.size,
      () => -1,
    )
    if (size !== bytes) return 'damaged'
    const store = openExampleStore(openBlockFile(place), table, () => {
      rmSync(description, { force: true })
      return damagedBlock(place)
    })
    stores[name] = store
    if (bytes > checkedBytes) continue
    try {
      for (const _ of store.check()) await nextTurn()
    } catch (error) {
      if (error instanceof FettleError) return 'damaged'
      throw error
    }
  }
  // Says when it was used last.
  const now = new Date()
  await utimes(description, now, now).catch(() => {})
  return { stores, meta }
}

function damagedBlock(place: string): FettleError {
  return new FettleError(
    {
      place,
      found: 'other bytes than those that were written',
      expected: 'the prepared examples',
      cure: 'Run again, or go on with --resume: they are prepared anew.',
    },
    { exitCode: 1 },
  )
}

async function makeEntry(folder: string, key: string): Promise<EntryMaker> {
  await makeFolder(folder)
  await sweep(folder)
  const passing = join(folder, passingName())
  await makeFolder(passing)
  const files = new Map<string, BlockFile>()
  const forget = async (): Promise<void> => {
    await removePath(passing).catch(() => {})
  }
  return {
    forget,
    file(name) {
      const file = createBlockFile(join(passing, name))
      files.set(name, file)
      return file
    },
    async save(tables, meta) {
      for (const file of files.values()) file.sync()
      const content = JSON.stringify({ format: 1, tables, meta } satisfies EntryContent)
      await writeFileAtomic(join(passing, entryFile), `${hashOf(content)}\n${content}`)
      await syncFolder(passing)
      for (const file of files.values()) file.close()
      const isFirst = await movedOrThere(passing, join(folder, key))
      for (const [name, file] of files) file.reopen(join(isFirst ? join(folder, key) : passing, name))
      // Another process made the same. What this one reads stays as long as it has it open.
      if (!isFirst) await forget()
      await sweep(folder, key)
    },
    async discard() {
      for (const file of files.values()) file.close()
      await forget()
    },
  }
}

/** @returns whether it was moved: false where something lies there already */
async function movedOrThere(from: string, to: string): Promise<boolean> {
  if (await exists(to)) return false
  try {
    await movePath(from, to)
    await syncFolder(dirname(to))
    return true
  } catch (error) {
    if (await exists(to)) return false
    throw error
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
