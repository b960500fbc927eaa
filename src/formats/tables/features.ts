import { JsonFloat } from '../json/index.ts'

/** What `datasets` says of a column in a table's metadata: a kind, a list of one, or a feature for each key. */
export type Feature = unknown

/** The features in a table's metadata under the key `huggingface`; undefined where `datasets` did not write it. */
export function featuresOf(text: string | undefined): Feature {
  if (text === undefined) return undefined
  try {
    return keyOf(keyOf(JSON.parse(text), 'info'), 'features')
  } catch {
    // Whoever wrote it was not `datasets`.
    return undefined
  }
}

/** What a feature says of a key. */
export function keyOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined
}

/** What a feature says of a list's items. */
export function itemOf(feature: Feature): Feature {
  return Array.isArray(feature) ? feature[0] : keyOf(feature, 'feature')
}

/** Whether texts of a column are JSON. */
export function isJson(feature: Feature): boolean {
  return keyOf(feature, '_type') === 'Json'
}

/** An integer of 64 bits as a number where that loses nothing. */
export function integerOf(value: bigint): bigint | number {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** A float, which stays apart from an integer as in JSON. */
export function floatOf(value: number): number | JsonFloat {
  return Number.isInteger(value) ? new JsonFloat(value) : value
}
