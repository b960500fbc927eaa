import { z } from 'zod'
import { plainName } from '../../closest-name.ts'

type Schema = z.core.$ZodType

/** What a schema describes once defaults, optionality and transforms are taken off. */
export function bare(schema: Schema): Schema {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    return bare(schema.unwrap())
  return schema instanceof z.ZodPipe ? bare(schema.in) : schema
}

/** The fields of an object schema, or of the object in a union; undefined where keys are the user's own. */
export function fieldsOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const plain = bare(schema)
  if (plain instanceof z.ZodObject) return plain.shape
  if (!(plain instanceof z.ZodUnion)) return undefined
  return plain.options.map((option) => fieldsOf(option)).find((fields) => fields !== undefined)
}

/** `loraAlpha` as files spell it: `lora_alpha`. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** A value with the option names in camelCase, and the paths as they were spelled. */
export interface Normalised {
  value: unknown
  /** Path in camelCase, joined by dots → path as given. */
  spelled: Map<string, (string | number)[]>
  /** Keys that were given twice in different spellings: `learning_rate` and `learningRate`. */
  repeated: (string | number)[][]
}

/**
 * Renames keys to those of the schema wherever they differ in `_`, `-` and case only. Keys that users choose, such as
 * those of `rank_pattern`, stay as they are.
 */
export function normaliseKeys(schema: Schema, given: unknown): Normalised {
  const result: Normalised = { value: undefined, spelled: new Map(), repeated: [] }
  result.value = walk(schema, given, [], [])
  return result

  function walk(
    at: Schema,
    value: unknown,
    path: (string | number)[],
    asGiven: (string | number)[],
  ): unknown {
    result.spelled.set(path.join('.'), asGiven)
    const plain = bare(at)
    if (Array.isArray(value)) {
      const element = plain instanceof z.ZodArray ? plain.element : undefined
      if (element === undefined) return value
      return value.map((item: unknown, i) => walk(element, item, [...path, i], [...asGiven, i]))
    }
    // One alone may stand for a list of one.
    const fields = fieldsOf(plain instanceof z.ZodArray ? plain.element : at)
    if (!isPlainObject(value)) return value
    const known = new Map(Object.keys(fields ?? {}).map((name) => [plainName(name), name]))
    // Without a prototype: `constructor` and `__proto__` are names like any other.
    const renamed: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    for (const [key, item] of Object.entries(value)) {
      const name = fields === undefined ? key : (known.get(plainName(key)) ?? key)
      if (name in renamed) result.repeated.push([...asGiven, key])
      const field = fields && Object.hasOwn(fields, name) ? fields[name] : z.unknown()
      renamed[name] = walk(field, item, [...path, name], [...asGiven, key])
    }
    return renamed
  }
}

/** Made by a literal or a parser: class instances, such as data held by the program, keep their keys. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
