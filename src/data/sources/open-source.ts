import { stat } from 'node:fs/promises'
import { FettleError } from '../../error.ts'
import { hasWildcards, type ByteInput } from '../../formats/index.ts'
import { listMany } from '../values.ts'
import type { DataSource } from '../row-options.ts'
import { filesOf, listFolder, withoutEndSlash } from './listing.ts'
import { hubNameOf, isOfHub } from './hub-names.ts'
import { isDataFile, type DataSet, type Part } from './parts.ts'
import { parseSplits, partSuffix, type SplitSlice } from './splits.ts'

/** A source that names files. */
export type FileSource = Extract<DataSource, { path: unknown }>

/** Rows of a data set. */
export interface Selection {
  data: DataSet
  slices: readonly SplitSlice[]
}

const defaultSplit = 'train'

/**
 * What a source that names files means: files, patterns of files, folders, each with the split behind a colon or under `split`.
 *
 * @throws FettleError where there is nothing, or not what was asked for
 */
export async function openSource(source: FileSource): Promise<Selection[]> {
  const paths = typeof source.path === 'string' ? [source.path] : source.path
  const selections: Selection[] = []
  for (const path of paths) {
    const { data, split } = await openPath(path, source.config)
    if (split !== undefined && source.split !== undefined)
      throw new FettleError({
        place: path,
        found: `the split ${split} behind the path, and split: ${source.split}`,
        expected: 'one of them',
      })
    const slices = parseSplits(split ?? source.split ?? data.defaultSplit ?? defaultSplit, data.name)
    for (const slice of slices) requireSplit(data, slice.split)
    selections.push({ data, slices })
  }
  return selections
}

const heldOut = 'validation'

/** Rows of held-out data that nobody asked for: few, so that evaluating costs little. */
const fewRows = 128

/**
 * Sources of the first rows of `validation`, where the data of training have such a split and do not read it themselves.
 *
 * @returns no more than 128 rows together
 */
export async function findValidation(sources: readonly DataSource[]): Promise<DataSource[]> {
  const found: Extract<DataSource, { path: unknown }>[] = []
  for (const source of sources) {
    if (!('path' in source)) continue
    for (const given of typeof source.path === 'string' ? [source.path] : source.path) {
      const { data, path, split = source.split } = await openPath(given, source.config)
      const read = parseSplits(split ?? data.defaultSplit ?? defaultSplit, data.name)
      if (data.splits.has(heldOut) && read.every((slice) => slice.split !== heldOut))
        found.push({ ...source, path, weight: undefined })
    }
  }
  const split = `${heldOut}[:${Math.ceil(fewRows / found.length)}]`
  return found.map((source) => ({ ...source, split }))
}

function requireSplit({ name, splits }: DataSet, split: string): void {
  if (splits.has(split)) return
  const [first] = splits.keys()
  throw new FettleError({
    place: name,
    found: `no split ${split}`,
    expected: listMany([...splits.keys()]),
    cure: `Choose one: split: ${first}.`,
  })
}

/** What a path means, and the splits behind its colon. */
async function openPath(
  path: string,
  config: string | undefined,
): Promise<{ data: DataSet; path: string; split?: string }> {
  const parted = partSuffix(path)
  // Nothing is asked of the Hub under a name that has splits in it.
  const whole = path.startsWith('hf://') && parted !== undefined ? undefined : await openPlace(path, config)
  if (whole !== undefined) return { data: whole, path }
  const data = parted && (await openPlace(parted.path, config))
  if (data !== undefined) return { data, ...(parted ?? { path }) }
  throw new FettleError({
    place: path,
    found: hasWildcards(path) ? 'no file with such a name' : 'no such file or folder',
    expected: 'a data file, a folder of them, or a pattern such as data/*.jsonl',
    cure: 'Check the path.',
  })
}

function isPattern(path: string): boolean {
  return hasWildcards(path) && !path.startsWith('hf://')
}

async function openPlace(path: string, config: string | undefined): Promise<DataSet | undefined> {
  if (path === '-')
    return { name: input.place, splits: new Map([[defaultSplit, [standardInput]]]), notes: [] }
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) {
    const listing = await listFolder(withoutEndSlash(path))
    const { openListing } = await import('./open-hub.ts')
    return openListing(listing, config)
  }
  const files = found !== undefined ? [path] : isPattern(path) ? await filesOf(path) : []
  if (files.length === 0) {
    const hub = hubNameOf(path)
    if (hub === undefined) return undefined
    const { openHub } = await import('./open-hub.ts')
    return openHub(hub, config)
  }
  return { name: path, splits: new Map([[defaultSplit, files.map(partOf)]]), notes: [] }
}

const input: ByteInput = {
  place: 'standard input',
  open() {
    if (!process.stdin.readable)
      throw new FettleError({
        place: 'standard input',
        found: 'nothing, because it was read already',
        expected: 'one reader of it',
        cure: 'Write it to a file, and give its path.',
      })
    return process.stdin
  },
}
const standardInput: Part = { name: input.place, stream: input, fetch: () => Promise.resolve(input.place) }

function partOf(path: string): Part {
  return { name: path, fetch: () => Promise.resolve(path) }
}

/** Whether a path is a place where rows lie: a file, a folder or pattern of data files, with splits behind it or not. */
export async function holdsData(path: string): Promise<boolean> {
  if (path === '-') return true
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && !found.isDirectory()) return true
  if (found !== undefined) {
    const { paths } = await listFolder(path)
    return paths.some(isDataFile)
  }
  const place = partSuffix(path)?.path ?? path
  if (place !== path) return holdsData(place)
  return (isPattern(path) && (await filesOf(path)).length > 0) || isOfHub(path)
}
