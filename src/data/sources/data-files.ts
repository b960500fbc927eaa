import { FettleError } from '../../error.ts'
import { hasWildcards } from '../../formats/index.ts'
import { listMany } from '../values.ts'
import { matching, type Listing } from './listing.ts'
import { extensionsOf, kindOf, type FileKind, type Part, type ReaderSettings } from './parts.ts'
import { plural } from '../../plural.ts'

/*
 * Which files are which split, as `datasets` 5.2 finds them (data_files.py, packaged_modules/__init__.py, load.py).
 */

/** A split and the patterns of its files. */
export interface SplitPatterns {
  split: string
  patterns: readonly string[]
}

const splitKeywords = [
  ['train', ['train', 'training']],
  ['validation', ['validation', 'valid', 'dev', 'val']],
  ['test', ['test', 'testing', 'eval', 'evaluation']],
] as const

const separators = '[-._ 0-9]'
const inFolderName = (word: string): string[] => [
  `**/${word}/**`,
  `**/${word}${separators}*/**`,
  `**/*${separators}${word}/**`,
  `**/*${separators}${word}${separators}*/**`,
]
const inFileName = (word: string): string[] => [
  `**/${word}${separators}*`,
  `**/*${separators}${word}${separators}*`,
]

const digits = '[0-9][0-9][0-9][0-9][0-9]'
const shardsOf = (split: string): string => `data/${split}-${digits}-of-${digits}*.*`
const shardName = /^(.*)-\d{5}-of-(\d{5})[^/]*\./u

/** What a split may be called. */
export const splitName = /^[\p{L}\p{N}_]+(?:\.[\p{L}\p{N}_]+)*$/u

/**
 * The splits of a folder that does not say which files they are: shards by their names, else folders or files with a split's
 * name in theirs, else everything is `train`.
 */
export function findSplits({ name, paths }: Listing): SplitPatterns[] {
  const known = paths.filter((path) => extensionsOf(path).some((extension) => moduleOf(extension)))
  const shards = matching(known, shardsOf('*'))
  const names = new Set(shards.map((path) => shardName.exec(path.slice('data/'.length))?.[1] ?? ''))
  const bad = [...names].find((split) => !splitName.test(split))
  if (bad !== undefined)
    throw new FettleError({
      place: name,
      found: `data/${bad}-…, files of a split '${bad}'`,
      expected: 'split names of letters, digits and _',
      cure: 'Rename the files, or say what they are in README.md (configs).',
    })
  if (names.size > 0) {
    const usual = splitKeywords.map(([split]): string => split)
    const others = [...names].filter((split) => !usual.includes(split)).toSorted()
    return [...usual.filter((split) => names.has(split)), ...others].map((split) => ({
      split,
      patterns: [shardsOf(split)],
    }))
  }
  for (const patternsOf of [inFolderName, inFileName]) {
    const found = splitKeywords
      .map(([split, words]) => ({ split, patterns: words.flatMap(patternsOf) }))
      .filter(({ patterns }) => patterns.some((pattern) => matching(known, pattern).length > 0))
    if (found.length > 0) return found
  }
  return [{ split: 'train', patterns: ['**'] }]
}

/** Kinds of data that are not read. */
const unread: Readonly<Record<string, readonly string[]>> = {
  images: 'png jpg jpeg webp gif bmp tif tiff'.split(' '),
  audio: 'wav mp3 flac ogg opus m4a'.split(' '),
  video: 'mp4 mkv avi mov webm'.split(' '),
  'PDF documents': ['pdf'],
  'a WebDataset': ['tar'],
  XML: ['xml'],
  HDF5: ['hdf5', 'h5'],
  Lance: ['lance'],
  Vortex: ['vortex'],
  CoNLL: ['conll', 'conllu'],
  'logs of Inspect': ['eval'],
}

type Module = { kind: FileKind } | { unread: string }

function moduleOf(extension: string): Module | undefined {
  const kind = kindOf(extension)
  if (kind !== undefined) return { kind }
  const name = Object.keys(unread).find((own) => unread[own].includes(extension.toLowerCase()))
  return name === undefined ? undefined : { unread: name }
}

const favourites = ['csv', 'json', 'jsonl', 'arrow', 'lance', 'parquet']
const metadataNames = ['metadata.csv', 'metadata.jsonl', 'metadata.parquet']

/** What most files are: `datasets` reads the others with it, or leaves them out. */
function commonModule(paths: readonly string[]): Module | undefined {
  const counts = new Map<string, { extension: string; isOfFile: boolean; count: number }>()
  for (const path of paths) {
    const isOfFile = !metadataNames.includes(path.split('/').at(-1) ?? '')
    for (const own of extensionsOf(path)) {
      const extension = own.toLowerCase()
      const counted = counts.get(`${extension} ${isOfFile}`) ?? { extension, isOfFile, count: 0 }
      counts.set(`${extension} ${isOfFile}`, { ...counted, count: counted.count + 1 })
    }
  }
  const order = [...counts.values()].toSorted(
    (a, b) =>
      Number(b.isOfFile) - Number(a.isOfFile) ||
      b.count - a.count ||
      favourites.indexOf(b.extension) - favourites.indexOf(a.extension) ||
      (b.extension < a.extension ? -1 : 1),
  )
  return order.map(({ extension }) => moduleOf(extension)).find((found) => found !== undefined)
}

/**
 * The files of one split.
 *
 * @param base      folder that the patterns are seen from, '' for the listing's own
 * @param settings  what the data set says about files of a kind
 * @throws FettleError where a file that is named is not there, or most files are of a kind that is not read
 */
export function filesOfSplit(
  listing: Listing,
  { split, patterns }: SplitPatterns,
  base: string,
  settings: (kind: FileKind) => ReaderSettings,
): { parts: Part[]; notes: string[] } {
  const place = `${listing.name}: ${split}`
  // A file whose name says it twice is read once.
  const found = [...new Set(patterns.flatMap((pattern) => pathsOf(listing, pattern, base, place)))]
  const { kind, chosen: read, notes } = chooseFiles(found, place)
  const missing = missingShards(read)
  if (missing !== undefined) notes.push(`${place}: ${missing}`)
  return {
    parts: read.map((path) => ({
      name: `${listing.name}/${path}`,
      fetch: () => listing.fetch(path),
      kind: extensionsOf(path).some((extension) => kindOf(extension) === kind) ? kind : 'zip',
      settings: { ...settings(kind), ...(kind === 'csv' && delimiterOf(path, settings(kind))) },
    })),
    notes,
  }
}

/**
 * The files among some that are of the kind that most of them are.
 *
 * @throws FettleError where none holds rows
 */
export function chooseFiles(
  found: readonly string[],
  place: string,
): { kind: FileKind; chosen: string[]; notes: string[] } {
  const known = found.filter((path) => extensionsOf(path).some((extension) => moduleOf(extension)))
  const module = commonModule(known)
  if (module === undefined)
    throw new FettleError({
      place,
      found: found.length === 0 ? 'no files' : `no data in ${listMany(found)}`,
      expected: '.jsonl, .json, .parquet, .arrow, .csv, .tsv, .txt or .zip',
    })
  if ('unread' in module)
    throw new FettleError({
      place,
      found: module.unread,
      expected: 'rows of text in .jsonl, .json, .parquet, .arrow, .csv, .tsv, .txt or .zip',
    })
  const { kind } = module
  const chosen = known.filter((path) =>
    extensionsOf(path).some((extension) => [kind, 'zip'].includes(kindOf(extension) ?? '')),
  )
  const left = found.length - chosen.length
  const notes =
    left === 0 ? [] : [`${place}: not read: ${left} of ${plural(found.length, 'file')}, of another kind`]
  return { kind, chosen, notes }
}

/** Tabs part the cells of a .tsv, where nothing else is said. */
function delimiterOf(path: string, { delimiter }: ReaderSettings): ReaderSettings {
  const isTabs = extensionsOf(path).some((extension) => extension.toLowerCase() === 'tsv')
  return delimiter === undefined && isTabs ? { delimiter: '\t' } : {}
}

function pathsOf({ paths, name }: Listing, pattern: string, base: string, place: string): string[] {
  if (/^[\w+.-]+:\/\/|^\/|(?:^|\/)\.\.(?:\/|$)|\\/.test(pattern))
    throw new FettleError({
      place,
      found: `the file ${pattern}`,
      expected: `files inside of ${name}`,
      cure: 'Bring it there, or name it as data of its own.',
    })
  const parts = [...base.split('/'), ...pattern.split('/')].filter((part) => part !== '' && part !== '.')
  const whole = parts.join('/')
  if (hasWildcards(whole) && !paths.includes(whole)) return matching(paths, whole)
  if (paths.includes(whole)) return [whole]
  throw new FettleError({
    place,
    found: `no file ${whole}`,
    expected: 'the files that README.md names',
    cure: 'Download it too, or correct data_files in README.md.',
  })
}

/** What to say where shards are numbered and some of them are not there. */
function missingShards(paths: readonly string[]): string | undefined {
  const counts = new Map<string, number>()
  for (const path of paths) {
    const [, name, of] = shardName.exec(path) ?? []
    if (of !== undefined) counts.set(`${name} ${of}`, (counts.get(`${name} ${of}`) ?? 0) + 1)
  }
  for (const [set, count] of counts) {
    const of = Number(set.split(' ').at(-1))
    if (count < of) return `${count} of ${of} shards are there`
  }
  return undefined
}
