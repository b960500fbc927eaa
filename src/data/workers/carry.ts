import { JsonFloat, keyOrder } from '../../formats/json/index.ts'

/**
 * Values on their way to another thread. A structured clone loses what JSON tells apart and JavaScript does not (see formats/json);
 * where a value holds such a thing, all of it is written in a form that clones.
 */
export interface Carried {
  value: unknown
  /** Whether `value` is in that form. */
  isPacked: boolean
}

/** Makes a value ready to be posted. */
export function carry(value: unknown): Carried {
  return needsPacking(value) ? { value: pack(value), isPacked: true } : { value, isPacked: false }
}

/** The value that was posted. */
export function uncarry({ value, isPacked }: Carried): unknown {
  return isPacked ? unpack(value as Packed) : value
}

/** Anything else than lists and objects stands for itself. */
type Packed =
  | { kind: 'plain'; value: unknown }
  | { kind: 'float'; value: number }
  | { kind: 'list'; items: Packed[] }
  | { kind: 'object'; entries: [string, Packed][]; order?: readonly string[] }

function needsPacking(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(needsPacking)
  if (value instanceof JsonFloat || keyOrder in value) return true
  if (ArrayBuffer.isView(value)) return false
  for (const key in value) if (needsPacking(Reflect.get(value, key))) return true
  return false
}

function pack(value: unknown): Packed {
  if (value instanceof JsonFloat) return { kind: 'float', value: value.value }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value))
    return { kind: 'plain', value }
  if (Array.isArray(value)) return { kind: 'list', items: value.map(pack) }
  const entries = Object.entries(value).map(([key, item]): [string, Packed] => [key, pack(item)])
  const order = (value as { [keyOrder]?: readonly string[] })[keyOrder]
  return { kind: 'object', entries, ...(order !== undefined && { order }) }
}

function unpack(packed: Packed): unknown {
  switch (packed.kind) {
    case 'plain':
      return packed.value
    case 'float':
      return new JsonFloat(packed.value)
    case 'list':
      return packed.items.map(unpack)
    case 'object': {
      const object: Record<PropertyKey, unknown> = Object.fromEntries(
        packed.entries.map(([key, item]) => [key, unpack(item)]),
      )
      if (packed.order !== undefined) object[keyOrder] = packed.order
      return object
    }
  }
}
