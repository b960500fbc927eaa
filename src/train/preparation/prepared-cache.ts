import { stat } from 'node:fs/promises'
import type { LedgerReport } from '../../batch/index.ts'
import {
  cacheEntry,
  createExampleStore,
  type DataReport,
  type EntryMaker,
  type ExampleStore,
  type GrowingStore,
  type StoreTable,
} from '../../data/index.ts'
import { FettleError } from '../../error.ts'
import type { PreparationKey } from './preparation-key.ts'

/** A data set as tokens with their mask, and what truncation took from it. */
export interface PreparedSet {
  store: ExampleStore
  truncation: LedgerReport
  /** Examples left out because no token of them is learned. */
  withoutLearned: number
  /** Of the examples, in their order. */
  hash: string
  report: DataReport
}

/** What comes of sources: what is trained on, and what of them is held out. */
export interface PreparedSets {
  examples: PreparedSet
  heldOut?: PreparedSet | undefined
}

/** What was found in a cache, or is put there. */
export interface PreparedCache {
  /** The entry; undefined where none is kept. */
  readonly path: string | undefined
  /** What is to be said of it. */
  readonly notes: readonly string[]
  /** What was prepared before. */
  open(): Promise<PreparedSets | undefined>
  /** The store of a set that is being prepared. */
  store(name: keyof PreparedSets): Promise<GrowingStore>
  /** Keeps what was prepared in the stores, which are complete. */
  save(sets: PreparedSets): Promise<void>
  /** Leaves nothing behind of what is not complete. */
  discard(): Promise<void>
}

/**
 * The cache of one preparation.
 *
 * @param folder  of the cache; undefined keeps nothing
 */
export async function preparedCache(
  folder: string | undefined,
  { key, files }: PreparationKey,
): Promise<PreparedCache> {
  const entry = folder === undefined || key === undefined ? undefined : cacheEntry(folder, key)
  const notes: string[] = []
  const stamps = (): Promise<string> => stampsOf(files.map(({ path }) => path))
  const before = entry && (await stamps())
  let maker: EntryMaker | undefined
  let isOff = entry === undefined
  const stores = new Map<string, GrowingStore>()
  return {
    get path() {
      return isOff ? undefined : entry?.path
    },
    notes,
    async open() {
      const found = await entry?.open()
      if (found === 'damaged') notes.push(`${entry?.path} was damaged and is prepared anew`)
      if (found === undefined || found === 'damaged') return undefined
      const meta = found.meta as Record<string, Omit<PreparedSet, 'store'>>
      const setOf = (name: keyof PreparedSets): PreparedSet => ({ ...meta[name], store: found.stores[name] })
      return { examples: setOf('examples'), ...('heldOut' in meta && { heldOut: setOf('heldOut') }) }
    },
    async store(name) {
      try {
        maker ??= isOff ? undefined : await entry?.begin()
      } catch (error) {
        if (!(error instanceof FettleError)) throw error
        isOff = true
        const [{ place, found }] = error.problems
        notes.push(`prepared without a cache: ${place}: ${found}. Name another one: cache_dir, FETTLE_CACHE.`)
      }
      const store = createExampleStore(maker?.file(name))
      stores.set(name, store)
      return store
    },
    async save(sets) {
      if (maker === undefined) return
      const tables: Record<string, StoreTable> = {}
      const meta: Record<string, Omit<PreparedSet, 'store'>> = {}
      for (const [name, { store: _, ...rest }] of Object.entries<PreparedSet>({ ...sets })) {
        const table = stores.get(name)?.finish()
        if (table === undefined) throw new Error(`set ${name} has no store`)
        tables[name] = table
        meta[name] = rest
      }
      if ((await stamps()) === before) return maker.save(tables, meta)
      // What was read may be of both: nobody else may take it for the one or the other.
      isOff = true
      notes.push('a data file was changed while it was read')
      await maker.forget()
    },
    async discard() {
      await maker?.discard()
    },
  }
}

/** What changes when a file does. */
async function stampsOf(paths: readonly string[]): Promise<string> {
  const stamps = paths.map(async (path) => {
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    return `${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`
  })
  return (await Promise.all(stamps)).join('\n')
}
