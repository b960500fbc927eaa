import type { SchemaTree } from 'hyparquet'
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
  const explained = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      const unreadable = explainUnreadable(path, error, 'a Parquet file')
      if (unreadable instanceof FettleError) throw unreadable
      throw new FettleError(
        {
          place: path,
          found: `no Parquet that can be read: ${messageOf(error)}`,
          expected: 'a whole Parquet file',
        },
        { cause: error },
      )
    }
  }
  const file = await explained(asyncBufferFromFile(path))
  const metadata = await explained(parquetMetadataAsync(file))
  const schema = parquetSchema(metadata)
  const features = featuresOf(metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value)
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const rows = await explained(parquetReadObjects({ ...options, file, metadata, rowStart, rowEnd }))
    countBytes(Number(group.total_compressed_size ?? group.total_byte_size))
    for (const [i, row] of rows.entries()) yield structOf(row, schema, features, `${path}#${rowStart + i}`)
    rowStart = rowEnd
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
