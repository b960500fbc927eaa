import type { ByteInput, TextUnit, TableSettings } from '../../formats/index.ts'

/** Kinds of files that hold rows. */
export type FileKind = 'json' | 'csv' | 'parquet' | 'arrow' | 'text' | 'zip'

/** What a data set says about how its files are read. */
export interface ReaderSettings extends TableSettings {
  /** The key of a JSON file under which its rows are. */
  field?: string | undefined
  /** What of a text file is a row. */
  unit?: TextUnit | undefined
  /** The only columns that are rows' own. */
  onlyColumns?: readonly string[] | undefined
}

/** A file of a source. */
export interface Part {
  /** What errors call it. */
  name: string
  /** Of bytes that can be read once: standard input. */
  stream?: ByteInput
  /** Where it lies on this machine; one that lies elsewhere is brought here. */
  fetch(): Promise<string>
  /** By default what its name tells. */
  kind?: FileKind
  settings?: ReaderSettings
}

/** What a source holds. */
export interface DataSet {
  /** What errors call it. */
  name: string
  /** The files of each split, in their order. */
  splits: ReadonlyMap<string, readonly Part[]>
  /** What is read where nothing else is asked for (default `train`). */
  defaultSplit?: string
  /** Files of this machine that say how the others are read. */
  describedBy?: readonly string[]
  /** What is worth knowing of how it is read. */
  notes: readonly string[]
}

const kinds: Readonly<Record<string, FileKind>> = {
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
  jsonlines: 'json',
  csv: 'csv',
  tsv: 'csv',
  parquet: 'parquet',
  geoparquet: 'parquet',
  gpq: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
  txt: 'text',
  zip: 'zip',
}

/** What a file holds by the extension of its name, without its dot; undefined where fettle does not read it. */
export function kindOf(extension: string): FileKind | undefined {
  const name = extension.toLowerCase()
  return Object.hasOwn(kinds, name) ? kinds[name] : undefined
}

/** The extensions of a name, which say it holds: `train.jsonl.gz` is JSON. */
export function extensionsOf(name: string): string[] {
  return (name.split('/').at(-1) ?? '').split('.').slice(1)
}

/** Whether a name says that a file holds rows. */
export function isDataFile(path: string): boolean {
  return extensionsOf(path).some((extension) => kindOf(extension) !== undefined)
}
