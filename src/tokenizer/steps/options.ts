import { FettleError, quoteValue, type Problem } from '../../error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'

/** A part of tokenizer.json with the place where it stands, for error messages. */
export interface Part {
  readonly json: JsonObject
  readonly place: string
  /** What is wrong with its options, so that one look at the file tells everything. */
  readonly problems: Problem[]
}

/** How a part is read, by the name in its `type`. */
export type Readers<T> = Readonly<Record<string, (part: Part) => T>>

/** Problems of one list that are told, and at least as many where there are. */
export const mostProblems = 8

/** Sequences within each other. */
const maxDepth = 20

/**
 * Reads a part whose `type` says what it is; `Sequence`, which each kind of part has, is a reader like any other.
 *
 * @throws FettleError for a type that is not known, as its tokens would be others, and for all options that are wrong
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
  const problems: Problem[] = []
  const part = { json, place: `${place} ${String(type)}`, problems }
  const made = collect(problems, () => read(part))
  if (made === undefined || problems.length > 0) throw new FettleError(problems)
  return made
}

/**
 * Reads something, and keeps what is wrong with it.
 *
 * @returns undefined where something is
 */
export function collect<T>(problems: Problem[], read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    // What comes of options that are wrong is no problem of its own.
    if (!(error instanceof FettleError)) {
      if (problems.length === 0) throw error
    } else problems.push(...error.problems)
    return undefined
  }
}

/** The parts of a `Sequence`, under their key. */
export function readParts<T>({ json, place }: Part, key: string, readers: Readers<T>): T[] {
  const parts = json[key]
  if (!Array.isArray(parts)) throw unsupported(place, `${key}: ${quoteValue(parts)}`, 'a list')
  return readAll(parts, (part) => readPart(part, place, readers))
}

/**
 * Reads each of a list.
 *
 * @throws FettleError with what is wrong with all of them
 */
export function readAll<T>(parts: readonly unknown[], read: (part: unknown, i: number) => T): T[] {
  const problems: Problem[] = []
  const made: T[] = []
  for (const [i, part] of parts.entries()) {
    const one = collect(problems, () => read(part, i))
    if (one !== undefined) made.push(one)
    // By these one sees what is wrong with the others.
    if (problems.length >= mostProblems) break
  }
  if (problems.length > 0) throw new FettleError(problems)
  return made
}

/** What a tokenizer.json holds that is not obeyed, or that is no tokenizer. */
export function unsupported(place: string, found: string, expected: string): FettleError {
  return new FettleError(problemAt(place, found, expected))
}

/** The same as one of several problems. */
export function problemAt(place: string, found: string, expected: string): Problem {
  return { place: `tokenizer.json: ${place}`, found, expected }
}

/** Keeps that an option is wrong; the part is refused when all of them were looked at. */
function report({ place, problems }: Part, key: string, value: unknown, expected: string): void {
  problems.push(problemAt(place, `${key}: ${quoteValue(value)}`, expected))
}

/** @param otherwise  where the key is absent; null is a value like any other, and wrong */
export function readFlag(part: Part, key: string, otherwise?: boolean): boolean {
  const value = valueOf(part, key, otherwise)
  if (typeof value === 'boolean') return value
  report(part, key, value, 'true or false')
  return false
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
  if (typeof value === 'string') return value
  report(part, key, value, 'a text')
  return ''
}

/** One character. */
export function readCharacter(part: Part, key: string): string {
  const value = part.json[key]
  if (typeof value === 'string' && Array.from(value).length === 1) return value
  report(part, key, value, 'one character')
  return ' '
}

/** A whole number, not negative. */
export function readCount(part: Part, key: string, otherwise?: number): number {
  const value = valueOf(part, key, otherwise)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  report(part, key, value, 'a whole number')
  return 0
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
  if (found !== undefined) return found
  report(part, key, value, choices.join(', '))
  return choices[0]
}
