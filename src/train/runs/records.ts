import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { FettleError, messageOf, quoteValue } from '../../error.ts'
import { isJsonObject } from '../../formats/foreign/index.ts'
import { writeFileAtomic } from '../../formats/index.ts'
import { columnNames, dataFormats, messageKeyNames } from '../../data/index.ts'
import { expectedBy } from '../../schema-issue.ts'
import { monitorStateSchema } from '../monitor/index.ts'
import { methods } from '../options/index.ts'

/** Of the two files below; a later fettle may write others. */
const formatVersion = 2

const values = z.record(z.string(), z.json())
const identity = z.strictObject({
  base: z.string().nullable(),
  data: z.strictObject({
    hash: z.string().nullable(),
    examples: z.int().min(0),
    tokens: z.int().min(0),
    files: z.array(z.strictObject({ path: z.string(), hash: z.string() })).optional(),
  }),
  fixed: values,
  extendable: values,
  preparation: values,
})
const run = z.strictObject({
  /** Of the run; every checkpoint has it. */
  id: z.string().min(8),
  /** When it began, by ISO 8601. */
  started: z.string(),
  /** The run and step that it branched off from. */
  parent: z.strictObject({ id: z.string(), step: z.int().min(0) }).optional(),
})

const trainerState = z
  .strictObject({
    format_version: z.literal(formatVersion),
    run,
    /** Optimiser steps made, of how many. The order of the data follows from the seed: the step says where it goes on. */
    step: z.int().min(0),
    steps: z.int().min(1),
    /** Training passes made so far: each draws dropout masks of its own. */
    passes: z.int().min(0),
    /** What was seen of evaluations and spikes; absent in checkpoints of before there was anything of it. */
    monitor: monitorStateSchema.optional(),
    /** Tokens of all steps so far. */
    tokens: z.int().min(0).optional(),
    /** The passes that were found to fit the memory when the run began; a resumed one keeps them, and with them its bits. */
    passes_found: z
      .strictObject({ tokens: z.int().min(1), activation_bytes: z.number().positive() })
      .optional(),
    identity,
  })
  .refine(({ step, steps }) => step <= steps, { error: 'at most steps', path: ['step'] })
  .refine(({ step, passes }) => step <= passes, { error: 'a pass or more for each step', path: ['passes'] })

const runSource = z.strictObject({
  path: z.union([z.string(), z.array(z.string())]),
  config: z.string().optional(),
  split: z.string().optional(),
  format: z.enum(['auto', ...dataFormats]).optional(),
  columns: z.partialRecord(z.enum(columnNames), z.string()).optional(),
  roles: z.record(z.string(), z.string()).optional(),
  message_keys: z.partialRecord(z.enum(messageKeyNames), z.string()).optional(),
})
const runRows = z.strictObject({
  /** Where the run was started: paths are from there. */
  folder: z.string(),
  method: z.enum(methods),
  data: z.array(runSource),
  /** Absent: a validation split beside the data; null: none. */
  eval_data: z.array(runSource).nullable().optional(),
  val_size: z.number().optional(),
  seed: z.int().optional(),
  deduplicate: z.boolean().optional(),
})

const runRecord = z.strictObject({
  format_version: z.literal(formatVersion),
  run,
  model: z.string(),
  identity,
  /** The files of its rows; older runs do not say it. */
  rows: runRows.optional(),
  /** What lies in the run's folder besides its checkpoints: the model after `step` steps. */
  result: z.strictObject({ step: z.int().min(0), interrupted: z.boolean() }).nullable(),
})

/** Which run it is. */
export type RunName = z.output<typeof run>
/** How far a run was when a checkpoint was written, and which run it is; of trainer_state.json. */
export type TrainerState = Omit<z.output<typeof trainerState>, 'format_version'>
/** What a run's folder says of it; of run.json. */
export type RunRecord = Omit<z.output<typeof runRecord>, 'format_version'>

/** The files that a run read. */
export type RunRows = z.output<typeof runRows>
export type RunSource = z.output<typeof runSource>

/** Of a checkpoint. */
export const stateFile = 'trainer_state.json'
/** Of a run's folder. */
export const recordFile = 'run.json'

/** Writes trainer_state.json. */
export function writeTrainerState(folder: string, state: TrainerState): Promise<void> {
  return writeFileAtomic(join(folder, stateFile), asText(state))
}

/** @throws FettleError for a file that is missing, not JSON, or of something else */
export function readTrainerState(folder: string): Promise<TrainerState> {
  return read(join(folder, stateFile), trainerState, 'a checkpoint of a run of fettle')
}

/** Writes run.json. */
export function writeRunRecord(folder: string, record: RunRecord): Promise<void> {
  return writeFileAtomic(join(folder, recordFile), asText(record))
}

/** @throws FettleError for a file that is not JSON, or of something else */
export function readRunRecord(folder: string): Promise<RunRecord> {
  return read(join(folder, recordFile), runRecord, 'what fettle train writes about a run')
}

function asText(value: object): string {
  return `${JSON.stringify({ format_version: formatVersion, ...value }, null, 2)}\n`
}

async function read<S extends z.ZodType>(place: string, schema: S, expected: string): Promise<z.output<S>> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(place, 'utf8'))
  } catch (error) {
    throw new FettleError({ place, found: messageOf(error), expected }, { cause: error })
  }
  if (isJsonObject(value) && 'fingerprint' in value)
    throw new FettleError({
      place,
      found: 'a checkpoint of fettle 0.1, which says neither of which run it is nor whether it is whole',
      expected,
      cure: 'Start another run from its adapter: adapter names the folder.',
    })
  const { data, error } = schema.safeParse(value)
  if (error !== undefined)
    throw new FettleError(
      error.issues.slice(0, 8).map((issue) => ({
        place,
        found: `${issue.path.join('.') || 'the file'} is ${quoteValue(valueAt(value, issue.path))}`,
        expected: expectedBy(issue),
      })),
    )
  return data
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined,
    value,
  )
}
