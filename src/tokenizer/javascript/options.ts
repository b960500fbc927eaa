import { FettleError } from '../../error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'

/** A part of tokenizer.json with the place where it stands, for error messages. */
export interface Part {
  readonly json: JsonObject
  readonly place: string
}

/** How a part is read, by the name in its `type`. */
export type Readers<T> = Readonly<Record<string, (part: Part) => T>>

/**
 * Reads a part whose `type` says what it is; `Sequence`, which each kind of part has, is a reader like any other.
 *
 * @throws FettleError for a type that is not written in JavaScript: its tokens would be others
 */
export function readPart<T>(json: unknown, place: string, readers: Readers<T>): T {
  const type = isJsonObject(json) ? json.type : undefined
  const read = typeof type === 'string' && Object.hasOwn(readers, type) ? readers[type] : undefined
  if (read === undefined || !isJsonObject(json))
    throw unsupported(place, `type ${JSON.stringify(type)}`, Object.keys(readers).join(', '))
  return read({ json, place: `${place} ${String(type)}` })
}

/** The parts of a `Sequence`, under their key. */
export function readParts<T>({ json, place }: Part, key: string, readers: Readers<T>): T[] {
  const parts = json[key]
  if (!Array.isArray(parts)) throw unsupported(place, `${key}: ${JSON.stringify(parts)}`, 'a list')
  return parts.map((part: unknown) => readPart(part, place, readers))
}

/** What this backend does not do, and the Rust library does. */
export function unsupported(place: string, found: string, expected: string): FettleError {
  return new FettleError({
    place: `tokenizer.json: ${place}`,
    found,
    expected,
    cure: 'Tokenise this model in Node, with the Rust library that `fettle` uses there.',
  })
}

export function readFlag({ json, place }: Part, key: string, otherwise?: boolean): boolean {
  const value = json[key] ?? otherwise
  if (typeof value !== 'boolean')
    throw unsupported(place, `${key}: ${JSON.stringify(value)}`, 'true or false')
  return value
}

export function readText({ json, place }: Part, key: string, otherwise?: string): string {
  const value = json[key] ?? otherwise
  if (typeof value !== 'string') throw unsupported(place, `${key}: ${JSON.stringify(value)}`, 'a text')
  return value
}

export function readNumber({ json, place }: Part, key: string, otherwise?: number): number {
  const value = json[key] ?? otherwise
  if (typeof value !== 'number') throw unsupported(place, `${key}: ${JSON.stringify(value)}`, 'a number')
  return value
}

/** One of several names. */
export function readChoice<T extends string>(
  { json, place }: Part,
  key: string,
  choices: readonly T[],
  otherwise?: T,
): T {
  const value = json[key] ?? otherwise
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw unsupported(place, `${key}: ${JSON.stringify(value)}`, choices.join(', '))
  return found
}
