import { z } from 'zod'
import { FettleError, type Problem } from '../../error.ts'
import { plainName } from '../../closest-name.ts'
import { fromHome } from '../../home-folder.ts'
import type { LoraOptions } from '../../peft/index.ts'
import type { YamlFile } from '../../formats/yaml/index.ts'
import { contradictions } from './contradictions.ts'
import { describeIssue } from './option-errors.ts'
import type { OptionLayer } from './option-layer.ts'
import { isPlainObject, normaliseKeys, snakeCase } from './option-keys.ts'
import {
  runOptionsSchema,
  trainOptionsSchema,
  withDependentDefaults,
  type RunOptions,
  type TrainOptions,
  type TrainOptionsInput,
} from './options.ts'

/**
 * Checks what a program passes to `trainSft` and fills in defaults.
 *
 * @throws FettleError with everything that is wrong
 */
export function readTrainOptions(given: TrainOptionsInput): TrainOptions {
  return withDependentDefaults(readLayers(trainOptionsSchema, [programLayer(given)]))
}

/** What a program passes. */
export function programLayer(given: TrainOptionsInput): OptionLayer {
  return {
    value: given,
    placeOf: (path) => (path.length === 0 ? 'options' : path.join('.')),
    spell: (name) => name,
  }
}

/**
 * Merges a run file with flags, checks them and fills in defaults.
 *
 * @throws FettleError with everything that is wrong, each with its line or flag
 */
export function readRunOptions(layers: readonly OptionLayer[]): RunOptions {
  return withDependentDefaults(readLayers(runOptionsSchema, layers))
}

/** What a run's layers say of LoRA themselves, without the defaults of what they leave out. */
export function givenLora(layers: readonly OptionLayer[]): Partial<LoraOptions> {
  const merged = mergeLayers(runOptionsSchema, layers)
  const lora = isPlainObject(merged) ? merged['lora'] : undefined
  return isPlainObject(lora) ? { ...(lora as Partial<LoraOptions>) } : {}
}

function mergeLayers(schema: z.ZodType, layers: readonly OptionLayer[]): unknown {
  return layers.reduce<unknown>((sum, { value }) => mergeOptions(sum, normaliseKeys(schema, value).value), {})
}

/**
 * What a run file says, once it was read.
 *
 * @throws FettleError when it is not a mapping
 */
export function yamlLayer({ value, placeOf }: YamlFile, path: string): OptionLayer {
  if (value !== null && !isPlainObject(value))
    throw new FettleError({ place: path, found: 'no options', expected: 'lines like learning_rate: 2.0e-4' })
  return { value: withHomeFolder(value ?? {}), placeOf, spell: snakeCase }
}

/** The options that are paths, as `plainName` writes their names. */
const pathOptions = new Set(
  (
    [
      'model',
      'adapter',
      'chatTemplate',
      'data',
      'evalData',
      'rewards',
      'outputDir',
      'cacheDir',
      'resumeFromCheckpoint',
    ] satisfies readonly (keyof RunOptions)[]
  ).map(plainName),
)

/** Its paths that begin with `~/`, as a shell would have made them: nobody does that in a file. */
function withHomeFolder(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const expand = (value: unknown): unknown => {
    if (typeof value === 'string') return fromHome(value)
    if (Array.isArray(value)) return value.map(expand)
    return isPlainObject(value) ? expandKeys(value, (key) => key === 'path') : value
  }
  const expandKeys = (values: Readonly<Record<string, unknown>>, isPath: (name: string) => boolean) =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, isPath(plainName(key)) ? expand(value) : value]),
    )
  return expandKeys(options, (name) => pathOptions.has(name))
}

/** Checks merged layers against a schema; errors name the place in the layer that has the option. */
function readLayers<S extends z.ZodType>(schema: S, layers: readonly OptionLayer[]): z.output<S> {
  const parts = layers.map((layer) => ({ layer, ...normaliseKeys(schema, layer.value) }))
  const merged = wrapSources(parts.reduce<unknown>((sum, { value }) => mergeOptions(sum, value), {}))
  const problems = parts.flatMap(({ layer, repeated }) =>
    repeated.map((path): Problem => ({
      place: layer.placeOf(path),
      found: `${path.join('.')} given twice`,
      expected: 'one value',
    })),
  )
  const result = schema.safeParse(merged)
  if (!result.success)
    problems.push(
      ...withoutDoubles(result.error.issues).flatMap((issue) => describeIssue(schema, issue, merged, parts)),
    )
  else problems.push(...contradictions(result.data as TrainOptions, parts))
  if (!result.success || problems.length > 0) throw new FettleError(problems)
  return result.data
}

/** A number beyond all integers is beyond its own limit, too. */
function withoutDoubles(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  const isBound = ({ code }: z.core.$ZodIssue) => code === 'too_big' || code === 'too_small'
  return issues.filter(
    (issue, i) =>
      !isBound(issue) ||
      !issues.slice(i + 1).some((other) => isBound(other) && other.path.join('.') === issue.path.join('.')),
  )
}

/** A single file may stand for a list of one. */
function wrapSources(value: unknown): unknown {
  if (!isPlainObject(value)) return value
  const wrap = (given: unknown) => (typeof given === 'string' || isPlainObject(given) ? [given] : given)
  return {
    ...value,
    ...('data' in value ? { data: wrap(value['data']) } : {}),
    ...('evalData' in value
      ? { evalData: value['evalData'] === 'auto' ? undefined : wrap(value['evalData']) }
      : {}),
  }
}

/** Blocks such as lora are merged key by key; everything else is replaced. */
function mergeOptions(below: unknown, above: unknown): unknown {
  if (!isPlainObject(below) || !isPlainObject(above)) return above
  const blocks = new Set(['lora', 'lrSchedulerKwargs', 'chatTemplateKwargs', 'optimArgs'])
  const merged = Object.entries(above)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, blocks.has(key) ? mergeOptions(below[key], value) : value])
  return { ...below, ...Object.fromEntries(merged) }
}
