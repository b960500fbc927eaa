import type { Data, DataType, Field, Vector } from 'apache-arrow'
import { parseJson } from '../json/index.ts'
import { featuresOf, floatOf, integerOf, isJson, itemOf, keyOf, type Feature } from './features.ts'

/** Reads the value of a row; null where it has none. */
type ValueReader = (row: number) => unknown

/** The parts of the library that tell what a column holds. */
type Arrow = typeof import('apache-arrow')

/** Says of which row a value is that is read now. */
type PlaceOf = () => string

/**
 * Readers of the columns of a batch: values as JSON has them, integers and floats apart, integers of 64 bits whole.
 *
 * @throws Error where a column has a type that is not read
 */
export function columnReaders(
  arrow: Arrow,
  batch: { data: Data; schema: { fields: Field[]; metadata: Map<string, string> } },
  placeOf: PlaceOf,
): { name: string; read: ValueReader }[] {
  const features = featuresOf(batch.schema.metadata.get('huggingface'))
  for (const [i, { name }] of batch.schema.fields.entries())
    if (batch.data.children[i].length !== batch.data.length)
      throw new Error(
        `the column ${name} has ${batch.data.children[i].length} values, and the batch ${batch.data.length} rows`,
      )
  return batch.schema.fields.map((field, i) => ({
    name: field.name,
    read: readerOf(arrow, batch.data.children[i], field, keyOf(features, field.name), placeOf),
  }))
}

function readerOf(arrow: Arrow, data: Data, field: Field, feature: Feature, placeOf: PlaceOf): ValueReader {
  const whole = unchecked(arrow, data, field, feature, placeOf)
  return data.nullCount === 0 ? whole : (row) => (data.getValid(row) ? whole(row) : null)
}

/** What a row holds, where it is known to hold something. */
function unchecked(arrow: Arrow, data: Data, field: Field, feature: Feature, placeOf: PlaceOf): ValueReader {
  const { DataType: types } = arrow
  const type = field.type as DataType
  if (types.isStruct(type)) {
    const names = type.children.map((child: Field) => child.name)
    const readers = type.children.map((child: Field, i: number) =>
      readerOf(arrow, data.children[i], child, keyOf(feature, child.name), placeOf),
    )
    return (row) => Object.fromEntries(names.map((name, i) => [name, readers[i](row)]))
  }
  if (types.isList(type) || types.isLargeList(type) || types.isMap(type)) {
    const item = readerOf(arrow, data.children[0], type.children[0], itemOf(feature), placeOf)
    const items = data.children[0].length
    const offsets = data.valueOffsets as Int32Array | BigInt64Array
    const list = (row: number): unknown[] => {
      const from = Number(offsets[row])
      const to = Number(offsets[row + 1])
      if (!(from >= 0 && from <= to && to <= items))
        throw new Error(`the column ${field.name} has a list from item ${from} to ${to} of ${items}`)
      return Array.from({ length: to - from }, (_, i) => item(from + i))
    }
    // As Python has them: pairs of key and value.
    return types.isMap(type)
      ? (row) => list(row).map((entry) => Object.values(Object(entry) as object))
      : list
  }
  if (types.isFixedSizeList(type)) {
    const item = readerOf(arrow, data.children[0], type.children[0], itemOf(feature), placeOf)
    const { listSize } = type
    return (row) => Array.from({ length: listSize }, (_, i) => item(row * listSize + i))
  }
  const vector: Vector = new arrow.Vector([data])
  const parsesJson = isJson(feature) || field.metadata.get('ARROW:extension:name') === 'arrow.json'
  const leaf = types.isDictionary(type) ? (type.dictionary as DataType) : type
  if (types.isUnion(leaf) || leaf.children?.length > 0)
    throw new Error(`the column ${field.name} of the type ${String(type)}, which is not read`)
  const convert = converterOf(arrow, leaf)
  return (row) => {
    const value: unknown = convert(vector.get(row))
    return parsesJson && typeof value === 'string' ? parseJson(value, placeOf()) : value
  }
}

function converterOf({ DataType: types }: Arrow, type: DataType): (value: unknown) => unknown {
  if (types.isFloat(type)) return (value) => (typeof value === 'number' ? floatOf(value) : value)
  if (types.isTimestamp(type) || types.isDate(type))
    return (value) =>
      value === null
        ? null
        : value instanceof Date
          ? value.toISOString()
          : new Date(Number(value)).toISOString()
  if (types.isDecimal(type)) {
    const { scale } = type
    return (value) => (value === null ? null : decimalOf(value as Uint32Array, scale))
  }
  return (value) => (typeof value === 'bigint' ? integerOf(value) : (value ?? null))
}

/** A decimal number of 128 bits or more, the lowest 32 first, as a text that loses nothing. */
function decimalOf(words: Uint32Array, scale: number): string {
  const bits = words.length * 32
  const all = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n)
  const value = BigInt.asIntN(bits, all)
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const point = digits.length - scale
  const text = scale > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits
  return value < 0n ? `-${text}` : text
}
