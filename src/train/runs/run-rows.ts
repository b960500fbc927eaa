import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  findValidation,
  holdsData,
  sourceName,
  type DataSource,
  type MixOptions,
  type PreferenceKind,
} from '../../data/index.ts'
import { isJsonObject } from '../../formats/foreign/index.ts'
import { mixOf, type TrainOptions } from '../options/index.ts'
import { preferenceKindOf } from '../preferences/preference-kind.ts'
import { readRunRecord, recordFile, type RunRows, type RunSource } from './records.ts'

/**
 * Where the rows of a run are, for its folder to say. Rows that a program held, standard input, and rows that a function makes are left
 * out: nobody could read them again.
 */
export function describeRows(options: TrainOptions): RunRows {
  const { data, evalData, method } = options
  const { valSize, seed, deduplicate } = mixOf(options)
  return {
    folder: process.cwd(),
    method,
    data: data.flatMap(describeSource),
    ...(evalData !== undefined && { eval_data: evalData?.flatMap(describeSource) ?? null }),
    ...(valSize !== undefined && { val_size: valSize, seed, deduplicate }),
  }
}

function describeSource(source: DataSource): RunSource[] {
  if (!('path' in source) || source.map !== undefined || source.path === '-') return []
  const { path, config, split, format, columns, roles, messageKeys } = source
  const described = { path, config, split, format, columns, roles, message_keys: messageKeys }
  return [
    Object.fromEntries(Object.entries(described).filter(([, value]) => value !== undefined)) as RunSource,
  ]
}

/** The name of a checkpoint. */
const ofRun = /^[a-z]+-\d+$/

/** Rows of a run that nobody learned from, or where it kept none those that it learned. */
export interface RunEvaluation {
  sources: readonly DataSource[]
  mix: MixOptions
  /** Which of the rows count: those that `mix` marks as held out, or all. */
  isHeldOut: boolean
  /** What they are to the run. */
  role: 'eval_data' | 'val_size' | 'validation split' | 'training data'
  /** What the run made of rows. */
  preferences: PreferenceKind | undefined
  /** Whether rows are prompts alone. */
  isPrompts: boolean
  /** Variables of the chat template. */
  variables: Readonly<Record<string, unknown>>
}

/**
 * The evaluation rows of the run that wrote a folder, or a checkpoint in it.
 *
 * @returns undefined for a folder that no run wrote, or whose rows only a program had; a text: where they are not any more
 * @throws FettleError for a run.json that cannot be read
 */
export async function findRunEvaluation(folder: string): Promise<RunEvaluation | string | undefined> {
  const homes = ofRun.test(basename(folder)) ? [folder, dirname(folder)] : [folder]
  const home = homes.find((each) => existsSync(join(each, recordFile)))
  if (home === undefined) return undefined
  const { rows, identity } = await readRunRecord(home)
  if (rows === undefined || rows.data.length === 0) return undefined
  const variables = identity.preparation['chat_template_kwargs']
  const common = {
    mix: {},
    isHeldOut: false,
    preferences: preferenceKindOf(rows.method),
    isPrompts: rows.method === 'grpo',
    variables: isJsonObject(variables) ? variables : {},
  }
  const data = await Promise.all(rows.data.map((source) => locate(source, rows.folder)))
  const evaluation = await Promise.all((rows.eval_data ?? []).map((source) => locate(source, rows.folder)))
  const missing = [...(evaluation.length > 0 ? evaluation : data)].find(({ isThere }) => !isThere)
  if (missing) return `${sourceName(missing.source)}, which the run read, is not there any more`
  const sourcesOf = (located: readonly Located[]) => located.map(({ source }) => source)
  if (evaluation.length > 0) return { ...common, sources: sourcesOf(evaluation), role: 'eval_data' }
  const sources = sourcesOf(data)
  const { val_size: valSize, seed, deduplicate } = rows
  if (valSize !== undefined)
    return { ...common, sources, mix: { valSize, seed, deduplicate }, isHeldOut: true, role: 'val_size' }
  const found = rows.eval_data === null ? [] : await findValidation(sources)
  return found.length > 0
    ? { ...common, sources: found, role: 'validation split' }
    : { ...common, sources, role: 'training data' }
}

interface Located {
  source: DataSource
  isThere: boolean
}

/** A source by a path that holds from here: as the run wrote it, or from where the run was started. */
async function locate(
  { path, message_keys: messageKeys, ...options }: RunSource,
  folder: string,
): Promise<Located> {
  const given = [path].flat()
  const places = [given, given.map((each) => join(folder, each))]
  for (const place of places) {
    const isThere = await Promise.all(place.map((each) => holdsData(each).catch(() => false)))
    if (isThere.every(Boolean)) return { source: { ...options, messageKeys, path: place }, isThere: true }
  }
  return { source: { path: given }, isThere: false }
}
