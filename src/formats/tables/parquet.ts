import type { RowGroup, SchemaTree } from 'hyparquet'
import { countBytes } from './bytes.ts'
import { FettleError, messageOf } from '../../error.ts'
import { parseJson } from '../json/index.ts'
import { explainUnreadable } from '../text.ts'
import { featuresOf, floatOf, integerOf, isJson, itemOf, keyOf, type Feature } from './features.ts'

/**
 * The rows of a Parquet file, one row group in memory at a time. Integers and floats stay apart as JSON's do, and columns that
 * `datasets` marks as JSON are values again.
 * Source: https://parquet.apache.org/docs/file-format/, https://huggingface.co/docs/datasets/about_dataset_features
 *
 * @throws FettleError that names the file, when it is not a whole Parquet file
 */
export async function* readParquet(path: string): AsyncGenerator<Record<string, unknown>> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } =
    await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const options = {
    compressors: Object.fromEntries(
      // Its lz4 reads on where a page holds nothing.
      Object.entries(compressors).map(([codec, decompress]) => [
        codec,
        (bytes: Uint8Array, length: number) => (length === 0 ? new Uint8Array(0) : decompress(bytes, length)),
      ]),
    ),
    parsers: { jsonFromBytes: (bytes: Uint8Array) => parseJson(Buffer.from(bytes).toString('utf8'), path) },
  }
  const explained = async <T>(work: Promise<T>, place = path): Promise<T> => {
    try {
      return await work
    } catch (error) {
      const unreadable = explainUnreadable(path, error, 'a Parquet file')
      throw unreadable instanceof FettleError ? unreadable : broken(place, messageOf(error), error)
    }
  }
  const file = await explained(asyncBufferFromFile(path))
  const metadata = await explained(parquetMetadataAsync(file))
  const schema = parquetSchema(metadata)
  const features = featuresOf(metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value)
  let rowStart = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    const place = `${path}: row group ${index} of ${metadata.row_groups.length}`
    checkGroup(group, schema, Object.keys(compressors), place)
    const rowEnd = rowStart + Number(group.num_rows)
    const rows = await explained(
      parquetReadObjects({ ...options, file, metadata, rowStart, rowEnd }),
      `${place}, rows ${rowStart} to ${rowEnd - 1}`,
    )
    countBytes(Number(group.total_compressed_size ?? group.total_byte_size))
    if (rows.length !== rowEnd - rowStart) throw broken(place, `${rows.length} of ${rowEnd - rowStart} rows`)
    for (const [i, row] of rows.entries()) {
      for (const name in row)
        if (row[name] === undefined)
          throw broken(place, `the column ${name} ends behind ${i} of ${rows.length} rows`)
      yield structOf(row, schema, features, `${path}#${rowStart + i}`)
    }
    rowStart = rowEnd
  }
  if (BigInt(rowStart) !== metadata.num_rows)
    throw broken(path, `${rowStart} rows in its row groups, and ${metadata.num_rows} said at its end`)
}

function broken(place: string, what: string, cause?: unknown): FettleError {
  return new FettleError(
    {
      place,
      found: `no Parquet that can be read: ${what}`,
      expected: 'a whole Parquet file',
      cure: 'It may have been cut off or changed: fetch or write it anew.',
    },
    { cause },
  )
}

/** What the metadata say of a row group, before its bytes are read: how columns are compressed, and how long they are. */
function checkGroup(
  { columns, num_rows }: RowGroup,
  { children }: SchemaTree,
  codecs: readonly string[],
  place: string,
): void {
  const known = ['UNCOMPRESSED', 'SNAPPY', ...codecs]
  for (const { meta_data: data } of columns) {
    if (data === undefined) continue
    const name = data.path_in_schema.join('.')
    if (!known.includes(data.codec))
      throw new FettleError({
        place: `${place}: column ${name}`,
        found: `compressed by ${data.codec ?? 'a codec that Parquet does not have'}`,
        expected: [...new Set(known)].join(', '),
        cure: "Write it anew with another codec, for instance pyarrow's compression='zstd'.",
      })
    const isFlat = children.some(
      ({ element, children: inner }) =>
        element.name === name && inner.length === 0 && element.repetition_type !== 'REPEATED',
    )
    if (isFlat && data.num_values !== num_rows)
      throw new FettleError({
        place: `${place}: column ${name}`,
        found: `${data.num_values} values`,
        expected: `${num_rows}, as many as the row group has rows`,
        cure: 'Write the file anew: columns of one table are equally long.',
      })
  }
}

function structOf(
  value: object,
  { children }: SchemaTree,
  feature: Feature,
  place: string,
): Record<string, unknown> {
  const types = new Map(children.map((child) => [child.element.name, child]))
  return Object.fromEntries(
    Object.entries(value).map(([key, own]) => [
      key,
      valueOf(own, types.get(key), keyOf(feature, key), place),
    ]),
  )
}

function valueOf(value: unknown, type: SchemaTree | undefined, feature: Feature, place: string): unknown {
  if (value === null || value === undefined) return null
  if (isJson(feature) && typeof value === 'string') return parseJson(value, place)
  if (Array.isArray(value)) {
    const element = elementOf(type)
    const own = itemOf(feature)
    return value.map((item) => valueOf(item, element, own, place))
  }
  if (typeof value === 'bigint') return integerOf(value)
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'number') return isFloat(type) ? floatOf(value) : value
  // What has no columns inside is bytes or JSON.
  if (typeof value === 'object' && type !== undefined && type.children.length > 0)
    return structOf(value, type, feature, place)
  return value
}

/** The type of a list's items: a list is a group of one repeated group, in newer files around one element. */
function elementOf(type: SchemaTree | undefined): SchemaTree | undefined {
  const repeated = type?.children[0]
  return repeated?.children.length === 1 ? repeated.children[0] : repeated
}

function isFloat(type: SchemaTree | undefined): boolean {
  return type?.element.type === 'DOUBLE' || type?.element.type === 'FLOAT'
}
