import { z } from 'zod'
import { readYaml as parseYaml } from '../../formats/yaml/index.ts'
import { groupOf, optionGroups, type OptionGroup } from './option-groups.ts'
import { bare, fieldsOf, snakeCase } from './option-keys.ts'
import { runOptionsSchema } from './options.ts'
import { namesElsewhere } from './other-trainers.ts'
import type { OptionLayer } from './option-layer.ts'

/** An option as the command line and the reference page show it. */
export interface OptionFlag {
  /** In camelCase; the flag is `--learning-rate`. Options of the lora block begin with `lora`. */
  name: string
  /** Where it stands in the options: `['lora', 'loraAlpha']`. */
  path: readonly string[]
  /** In a run file: `lora.lora_alpha`. */
  key: string
  group: OptionGroup
  type: 'string' | 'number' | 'boolean'
  description: string
  /** Values that it may have, where they are few. */
  options?: readonly string[]
  /** What the help shows for other values: `path`. */
  hint?: string
  /** Whether it may be a number, among other things. */
  takesNumber?: boolean
  /** May be given several times, or as a list with commas. */
  repeats: boolean
  required: boolean
  /** Its names in other trainers, without separators and case; no flags, but a message about one says what is meant. */
  elsewhere: readonly string[]
  default?: unknown
}

/** All options of a run, those of the lora block with flags of their own: `--lora-r`, `--lora-alpha`. */
export function optionFlags(): OptionFlag[] {
  const groups = Object.entries(groupOf)
  const flags = Object.entries(runOptionsSchema.shape).flatMap(([name, schema]) => {
    const group = groups.find(([option]) => option === name)?.[1] ?? 'Machine'
    const block = name === 'lora' ? fieldsOf(schema) : undefined
    const inner = Object.entries(block ?? {}).map(([key, field]) => flagOf([name, key], field, group))
    return [flagOf([name], schema, group), ...inner]
  })
  const place = ({ group }: OptionFlag): number => optionGroups.indexOf(group)
  return flags.toSorted((a, b) => place(a) - place(b))
}

function flagOf(path: readonly string[], schema: z.core.$ZodType, group: OptionGroup): OptionFlag {
  const last = path.at(-1) ?? ''
  // lora.r is --lora-r, and lora.loraAlpha is --lora-alpha, not --lora-lora-alpha.
  const name =
    path.length === 1 || last.startsWith('lora') ? last : `lora${last[0].toUpperCase()}${last.slice(1)}`
  const plain = bare(schema)
  const fallback = defaultOf(schema)
  const options =
    plain instanceof z.ZodEnum
      ? [...plain.options.map(String), ...(isNullable(schema) ? ['null'] : [])]
      : undefined
  const hint = hintOf(last, plain)
  const takesNumber = plain instanceof z.ZodUnion && plain.options.some(isNumber)
  return {
    name,
    path,
    key: path.map(snakeCase).join('.'),
    group,
    type: isNumber(plain) ? 'number' : plain instanceof z.ZodBoolean ? 'boolean' : 'string',
    description: schema instanceof z.ZodType ? (schema.description ?? '') : '',
    ...(options !== undefined && { options }),
    ...(hint !== undefined && { hint }),
    ...(takesNumber && { takesNumber }),
    repeats: plain instanceof z.ZodArray || takesList(plain),
    required: schema instanceof z.ZodType && !schema.isOptional(),
    elsewhere: namesElsewhere(path),
    ...(fallback === undefined ? {} : { default: fallback }),
  }
}

const paths = new Set([
  'model',
  'data',
  'evalData',
  'outputDir',
  'adapter',
  'resumeFromCheckpoint',
  'rewards',
])

/** `path`, `inferred|no-stop,…`, `a,b,…` or `yaml`; undefined for a text or number that needs no hint. */
function hintOf(name: string, plain: z.core.$ZodType): string | undefined {
  if (paths.has(name)) return 'path'
  const words = wordsBesideNumbers(plain)
  if (words !== undefined) return ['n', ...words].join('|')
  if (plain instanceof z.ZodArray && plain.element instanceof z.ZodEnum)
    return `${plain.element.options.join('|')},…`
  if (plain instanceof z.ZodArray || takesList(plain)) return 'a,b,…'
  return plain instanceof z.ZodRecord || plain instanceof z.ZodObject ? 'yaml' : undefined
}

function defaultOf(schema: z.core.$ZodType): unknown {
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined
}

function isNullable(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodType && schema.isNullable()
}

/** A number, or one of several kinds of it. */
function isNumber(plain: z.core.$ZodType): boolean {
  return (
    plain instanceof z.ZodNumber ||
    (plain instanceof z.ZodUnion && plain.options.every((option) => option instanceof z.ZodNumber))
  )
}

/** The words of an option that is a number or one of them. */
function wordsBesideNumbers(plain: z.core.$ZodType): string[] | undefined {
  if (!(plain instanceof z.ZodUnion) || !plain.options.some((option) => isNumber(option))) return undefined
  const words = plain.options.flatMap((option) =>
    option instanceof z.ZodLiteral ? [...option.values].map(String) : [],
  )
  return words.length === plain.options.length - 1 ? words : undefined
}

function takesList(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodUnion && schema.options.some((option) => option instanceof z.ZodArray)
}

/**
 * The values of flags, as texts or already converted, as a layer over the run file. `null`, lists with commas and
 * YAML's `{ a: 1 }` are understood where the option takes them.
 *
 * @param given  by the flags' names in camelCase
 */
export function flagLayer(given: Readonly<Record<string, unknown>>): OptionLayer {
  const flags = optionFlags()
  const value: Record<string, unknown> = {}
  const kebab = (name: string) => `--${snakeCase(name).replaceAll('_', '-')}`
  for (const flag of flags) {
    const item = given[flag.name]
    if (item === undefined) continue
    const [first, second] = flag.path
    if (second === undefined) value[first] = convert(flag, item)
    else {
      const block = value[first]
      value[first] = { ...(typeof block === 'object' ? block : {}), [second]: convert(flag, item) }
    }
  }
  return {
    value,
    placeOf: ([first, second]) => {
      // What is missing altogether has no flag to point at.
      if (first === undefined) return 'flags'
      const flag = flags.find(({ path }) => path[0] === first && path[1] === second)
      return kebab(flag?.name ?? String(first))
    },
    spell: snakeCase,
  }
}

/** Texts of flags that are lists, blocks, null or one of several types are read as YAML. */
function convert({ path, type, takesNumber, repeats }: OptionFlag, given: unknown): unknown {
  const texts = Array.isArray(given) ? given.map(String) : typeof given === 'string' ? [given] : undefined
  if (texts === undefined) return given
  const [text] = texts
  if (texts.length === 1 && text === 'null') return null
  const isSources = path[0] === 'data' || path[0] === 'evalData'
  if (isSources) return texts.flatMap((item) => (isBlock(item) ? readYaml(item) : item))
  const isYaml = isBlock(text)
  if (takesNumber === true && texts.length === 1 && text.trim() !== '' && !Number.isNaN(Number(text)))
    return Number(text)
  if (repeats && !isYaml) {
    const items = texts.flatMap((item) => item.split(',').map((part) => part.trim()))
    const isSingle =
      items.length === 1 && path.at(-1)?.endsWith('Modules') === true && path.at(-1) !== 'modulesToSave'
    return isSingle
      ? items[0]
      : items.map((item) =>
          /^-?\d*\.?\d+(e-?\d+)?$/i.test(item) && isNumberList(path) ? Number(item) : item,
        )
  }
  if (isYaml) return readYaml(text)
  if (type === 'number') return text.trim() === '' ? text : Number(text)
  if (text === 'true' || text === 'false') return text === 'true'
  return text
}

/** Whether a flag's text is a list or a block of YAML. */
function isBlock(text: string): boolean {
  return /^[[{]/.test(text.trimStart())
}

function isNumberList(path: readonly string[]): boolean {
  return ['layersToTransform', 'trainableTokenIndices', 'lossWeights', 'rewardWeights'].includes(
    path.at(-1) ?? '',
  )
}

function readYaml(text: string): unknown {
  try {
    const { value } = parseYaml(text, '')
    // `{r:4}` is one name to YAML; nobody who writes it in a flag means that.
    const isOneName =
      /^\{[^}]*\w:[^\s/\\]/.test(text) && Object.values(Object(value) as object).includes(null)
    return isOneName ? parseYaml(text.replaceAll(/([{,]\s*[\w.-]+):(?=\S)/g, '$1: '), '').value : value
  } catch {
    // The schema then says what was expected instead of this text.
    return text
  }
}
