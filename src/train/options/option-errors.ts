import { z } from 'zod'
import { closestName } from '../../closest-name.ts'
import { clipText, quoteValue, type Problem } from '../../error.ts'
import { expectedBy } from '../../schema-issue.ts'
import { bare, fieldsOf, type Normalised } from './option-keys.ts'
import type { OptionLayer } from './option-layer.ts'
import { nameHere } from './other-trainers.ts'

type Path = readonly (string | number)[]
type Issue = z.core.$ZodIssue
/** A layer with its names normalised. */
export type Part = Normalised & { layer: OptionLayer }

/** What a schema finds wrong, at its place in the layer that says it; a union's inner issues one by one. */
export function describeIssue(
  schema: z.ZodType,
  issue: Issue,
  merged: unknown,
  parts: readonly Part[],
): Problem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(schema, path, key, parts))
  // A list or an object that is nearly right is told what is wrong inside it.
  const inside =
    issue.code === 'invalid_union' ? issue.errors.find((errors) => errors.some(isInside)) : undefined
  if (inside !== undefined)
    return inside.flatMap((inner) =>
      describeIssue(schema, { ...inner, path: [...path, ...inner.path] }, merged, parts),
    )
  const { place, spell } = locate(path, parts)
  const value = path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined,
    merged,
  )
  const name = path.map(spell).join('.')
  if (issue.code === 'custom' && issue.message === 'path')
    return [{ place, found: `${name} without path`, expected: 'the path of a file' }]
  if (value === undefined) {
    // What it is for says more than its type.
    const field = path.reduce<z.core.$ZodType | undefined>(inner, schema)
    const purpose = field instanceof z.ZodType ? field.description : undefined
    const expected = purpose === undefined ? expectedBy(issue) : `${name}: ${purpose.replace(/\.$/, '')}`
    return [{ place, found: `no ${name}`, expected }]
  }
  return [{ place, found: `${name} is ${quoteValue(value)}`, expected: expectedBy(issue) }]
}

/** Whether a value is nearly right: not another type or word altogether. */
function isInside({ path, code }: Issue): boolean {
  return path.length > 0 || (code !== 'invalid_type' && code !== 'invalid_value')
}

/** The place of an option in the last layer that has it, else where its block is, else the first layer. */
export function locate(
  path: Path,
  parts: readonly Part[],
): { place: string; spell: (name: string | number) => string } {
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join('.')
    const part = parts.findLast(({ spelled }) => spelled.has(key))
    const given = part?.spelled.get(key)
    if (part !== undefined && given !== undefined)
      return { place: part.layer.placeOf(given), spell: speller(part.layer) }
  }
  const layer = parts.at(0)?.layer
  return { place: layer?.placeOf([]) ?? 'options', spell: speller(layer) }
}

function speller(layer: OptionLayer | undefined): (name: string | number) => string {
  return (name) => (typeof name === 'string' ? (layer?.spell(name) ?? name) : String(name))
}

/** More names than these are no help in a message. */
const mostListed = 30

function unknownKey(schema: z.ZodType, path: Path, key: string, parts: readonly Part[]): Problem {
  const { place, spell } = locate([...path, key], parts)
  const block = path.reduce<z.core.$ZodType | undefined>(inner, schema)
  const known = block === undefined ? [] : namesOf(block)
  const theirs = nameHere(key)
  const isHere = theirs !== undefined && known.includes(theirs.split('.')[0])
  const meant = isHere ? theirs : closestName(key, known)
  const where = path.filter((part) => typeof part === 'string').map(spell)
  return {
    place,
    found: `${clipText(key, 60)}, which is no option${where.length === 0 ? '' : ` of ${where.join('.')}`}`,
    ...(meant === undefined
      ? {
          expected:
            known.length > mostListed
              ? 'one that fettle train --help lists'
              : `one of ${known.map(spell).join(', ')}`,
        }
      : { cure: `Did you mean ${meant.split('.').map(spell).join('.')}?` }),
  }
}

/** The names that a block may have: its fields, or the keys of a record where they are known ones. */
function namesOf(block: z.core.$ZodType): string[] {
  const plain = bare(block)
  const keys = plain instanceof z.ZodRecord ? plain.keyType : undefined
  return keys instanceof z.ZodEnum ? keys.options.map(String) : Object.keys(fieldsOf(block) ?? {})
}

/** The schema of an item of a list, or of a field of a block. */
function inner(schema: z.core.$ZodType | undefined, part: string | number): z.core.$ZodType | undefined {
  if (schema === undefined) return undefined
  if (typeof part === 'string') {
    const fields = fieldsOf(schema)
    return fields && Object.hasOwn(fields, part) ? fields[part] : undefined
  }
  const list = bare(schema)
  return list instanceof z.ZodArray ? list.element : undefined
}
