import { FettleError, quoteValue } from '../../error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'

/** A part of tokenizer.json with the place where it stands, for error messages. */
export interface Part {
  readonly json: JsonObject
  readonly place: string
}

/** How a part is read, by the name in its `type`. */
export type Readers<T> = Readonly<Record<string, (part: Part) => T>>

/** Sequences within each other. */
const maxDepth = 20

/**
 * Reads a part whose `type` says what it is; `Sequence`, which each kind of part has, is a reader like any other.
 *
 * @throws FettleError for a type that is not known: its tokens would be others
 */
export function readPart<T>(json: unknown, place: string, readers: Readers<T>): T {
  const type = isJsonObject(json) ? json.type : undefined
  const read = typeof type === 'string' && Object.hasOwn(readers, type) ? readers[type] : undefined
  if (read === undefined || !isJsonObject(json))
    throw unsupported(
      place,
      isJsonObject(json) ? `type ${quoteValue(type)}` : quoteValue(json),
      Object.keys(readers).join(', '),
    )
  if (place.split(' ').length > maxDepth)
    throw unsupported(place, 'more than 20 parts within each other', 'fewer')
  return read({ json, place: `${place} ${String(type)}` })
}

/** The parts of a `Sequence`, under their key. */
export function readParts<T>({ json, place }: Part, key: string, readers: Readers<T>): T[] {
  const parts = json[key]
  if (!Array.isArray(parts)) throw unsupported(place, `${key}: ${quoteValue(parts)}`, 'a list')
  return parts.map((part: unknown) => readPart(part, place, readers))
}

/** What a tokenizer.json holds that is not obeyed, or that is no tokenizer. */
export function unsupported(place: string, found: string, expected: string): FettleError {
  return new FettleError({ place: `tokenizer.json: ${place}`, found, expected })
}

/** @param otherwise  where the key is absent; null is a value like any other, and wrong */
export function readFlag(part: Part, key: string, otherwise?: boolean): boolean {
  const value = valueOf(part, key, otherwise)
  if (typeof value !== 'boolean')
    throw unsupported(part.place, `${key}: ${quoteValue(value)}`, 'true or false')
  return value
}

/** A flag that may be null, which is as good as absent. */
export function readFlagOrNull(part: Part, key: string, otherwise: boolean): boolean {
  return part.json[key] === null ? otherwise : readFlag(part, key, otherwise)
}

function valueOf(part: Part, key: string, otherwise: unknown): unknown {
  const value = part.json[key]
  return value === undefined ? otherwise : value
}

export function readText(part: Part, key: string, otherwise?: string): string {
  const value = valueOf(part, key, otherwise)
  if (typeof value !== 'string') throw unsupported(part.place, `${key}: ${quoteValue(value)}`, 'a text')
  return value
}

/** One character. */
export function readCharacter(part: Part, key: string): string {
  const value = readText(part, key)
  if (Array.from(value).length !== 1)
    throw unsupported(part.place, `${key}: ${quoteValue(value)}`, 'one character')
  return value
}

/** A whole number, not negative. */
export function readCount(part: Part, key: string, otherwise?: number): number {
  const value = valueOf(part, key, otherwise)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > Number.MAX_SAFE_INTEGER)
    throw unsupported(part.place, `${key}: ${quoteValue(value)}`, 'a whole number')
  return value
}

/** One of several names. */
export function readChoice<T extends string>(
  part: Part,
  key: string,
  choices: readonly T[],
  otherwise?: T,
): T {
  const value = valueOf(part, key, otherwise)
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw unsupported(part.place, `${key}: ${quoteValue(value)}`, choices.join(', '))
  return found
}
