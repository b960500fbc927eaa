import type { Problem } from '../../error.ts'
import { describeValue } from '../../formats/json/index.ts'
import type { FileKind, ReaderSettings } from './parts.ts'

/** Says what a value should be instead. */
type Reader = (value: unknown) => ReaderSettings | string

const text =
  (key: 'delimiter' | 'quote' | 'field'): Reader =>
  (value) =>
    typeof value === 'string' && value !== '' ? { [key]: value } : 'a text'
const names =
  (key: 'columnNames' | 'onlyColumns'): Reader =>
  (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'string')
      ? { [key]: value }
      : 'a list of names'
const isUtf8: Reader = (value) =>
  typeof value === 'string' && /^utf[-_]?8([-_]sig)?$/i.test(value) ? {} : 'utf-8'
/** One value is what fettle does anyway. */
const only =
  (...values: readonly unknown[]): Reader =>
  (value) =>
    values.includes(value) ? {} : values.map((own) => JSON.stringify(own)).join(' or ')

/** What `datasets` calls the options of its loaders, and what of them fettle obeys. */
const readers: { [Kind in FileKind]: Readonly<Record<string, Reader>> } = {
  csv: {
    sep: text('delimiter'),
    delimiter: text('delimiter'),
    names: names('columnNames'),
    column_names: names('columnNames'),
    usecols: names('onlyColumns'),
    quotechar: text('quote'),
    header: (value) =>
      value === 'infer'
        ? {}
        : value === null || value === 0
          ? { hasHeader: value === 0 }
          : '0, null or infer',
    skiprows: (value) =>
      Number.isSafeInteger(value) && Number(value) >= 0
        ? { skippedLines: Number(value) }
        : 'a number of lines',
    encoding: isUtf8,
    skip_blank_lines: only(true),
    doublequote: only(true),
    quoting: only(0),
    on_bad_lines: only('error'),
    encoding_errors: only('strict'),
  },
  json: { field: text('field'), encoding: isUtf8, encoding_errors: only('strict') },
  text: {
    sample_by: (value) =>
      value === 'line' || value === 'paragraph' || value === 'document'
        ? { unit: value }
        : 'line, paragraph or document',
    keep_linebreaks: only(false),
    encoding: isUtf8,
    encoding_errors: only('strict'),
  },
  parquet: { columns: names('onlyColumns'), on_bad_files: only('error') },
  arrow: {},
  zip: {},
}

/** What changes no row. */
const harmless = new Set([
  'config_name',
  'data_files',
  'data_dir',
  'default',
  'description',
  'version',
  'chunksize',
  'batch_size',
  'block_size',
  'use_threads',
  'newlines_in_values',
  'on_mixed_types',
  'parse_agent_traces',
  'engine',
  'memory_map',
  'low_memory',
  'float_precision',
  'verbose',
])

/** What a loader has that fettle does not obey: it would change the rows. */
const notObeyed: { [Kind in FileKind]: readonly string[] } = {
  csv: (
    'index_col prefix converters true_values false_values skipinitialspace nrows na_values keep_default_na ' +
    'na_filter thousands decimal lineterminator escapechar comment dialect skipfooter date_format'
  ).split(' '),
  json: [],
  text: [],
  parquet: ['filters', 'fragment_scan_options'],
  arrow: [],
  zip: [],
}

/**
 * What a config of a data set says of how files of a kind are read.
 *
 * @param placeOf  where a key stands
 */
export function readLoaderSettings(
  config: Readonly<Record<string, unknown>>,
  kind: FileKind,
  placeOf: (key: string) => string,
): { settings: ReaderSettings; problems: Problem[]; notes: string[] } {
  const problems: Problem[] = []
  const notes: string[] = []
  let settings: ReaderSettings = {}
  for (const [key, value] of Object.entries(config)) {
    const reader = Object.hasOwn(readers[kind], key) ? readers[kind][key] : undefined
    if (reader !== undefined) {
      const read = reader(value)
      if (typeof read !== 'string') settings = { ...settings, ...read }
      else problems.push({ place: placeOf(key), found: `${key}: ${describeValue(value)}`, expected: read })
    } else if (notObeyed[kind].includes(key))
      problems.push({
        place: placeOf(key),
        found: `${key}, which decides what the rows are, and which fettle does not obey`,
        expected: `${Object.keys(readers[kind]).join(', ')}`,
        cure: 'Write the data anew with datasets, for instance as JSON lines, and take the line out.',
      })
    else if (!harmless.has(key)) notes.push(`${placeOf(key)}: ${key} is not obeyed`)
  }
  return { settings, problems, notes }
}
