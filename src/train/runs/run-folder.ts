import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FettleError, quoteValue } from '../../error.ts'
import { isSamePlace, makeFolder, removePath } from '../../formats/index.ts'
import type { AutoModelForCausalLM } from '../../model/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { hashBase } from './base-hash.ts'
import { removeFolder, setAside, sweep } from './checkpoint.ts'
import {
  namedCheckpoint,
  newestCheckpoint,
  resumeTarget,
  type ChosenCheckpoint,
  type ResumeTarget,
} from './choose-checkpoint.ts'
import { extendedBy, fixedProblems, identityBefore, isOtherData, type RunIdentity } from './identity.ts'
import { lockFolder } from './lock.ts'
import { makeDefaultFolder, pointLatest } from './default-folder.ts'
import { refuseHarm, refuseOtherRun, replacedNames } from './output-dir.ts'
import { readRunRecord, recordFile, writeRunRecord, type RunName, type RunRecord } from './records.ts'
import { requireRoom } from './room.ts'
import { describeRows } from './run-rows.ts'

/** The folder of a run that this process alone writes to. */
export interface RunFolder {
  /** Where it is; known from `begin` on. */
  readonly path: string
  readonly run: RunName
  /** The whole checkpoint that the run goes on from. */
  readonly from: ChosenCheckpoint | undefined
  /** Hash of the base model; it is made while data is prepared. */
  readonly base: Promise<string | null>
  /**
   * Begins to write, when what the run goes on from is this run.
   *
   * @param steps  of the run
   * @param bytes  that a checkpoint takes at least
   * @returns      what is to be said: checkpoints that were passed over, what the run is extended by
   * @throws FettleError that names each option that is another one; (exit code 1) where the disk has no room for a checkpoint
   */
  begin(identity: RunIdentity, steps: number, bytes: number): Promise<string[]>
  /** Says what lies in the folder now. */
  finish(result: NonNullable<RunRecord['result']>): Promise<void>
  /** Lets others in. */
  close(): Promise<void>
}

/**
 * Finds the folder of a run and what it goes on from, and keeps other processes out.
 *
 * @throws FettleError when the folder holds another run, is the model's, or another process trains in it; when there is no whole
 *   checkpoint to go on from
 */
export async function openRunFolder(model: AutoModelForCausalLM, options: TrainOptions): Promise<RunFolder> {
  const { nameOrPath } = model
  const target = await resumeTarget(options)
  const given = options.outputDir ?? target?.folder
  if (given !== undefined) refuseHarm(given, nameOrPath, options)
  const isNew = given !== undefined && !existsSync(given)
  if (given !== undefined) await makeFolder(given)
  let lock = given === undefined ? undefined : await lockFolder(given)
  const close = async (): Promise<void> => {
    await lock?.release()
    // A run that never began leaves nothing behind.
    if (isNew && given !== undefined) await rmdir(given).catch(() => {})
  }
  try {
    const isOwn = target !== undefined && given !== undefined && isSamePlace(given, target.folder)
    if (given !== undefined) await sweep(given)
    const record = given === undefined ? undefined : await recordOf(given)
    if (given !== undefined && !isOwn) refuseOtherRun(given, record, options.overwrite)
    const from = target && (await choose(target, isOwn ? record : undefined))
    if (from) compare(from, identityBefore(from.state.identity, model, options), undefined, options)
    const base = hashBase(nameOrPath)
    // Its error is thrown where it is awaited.
    base.catch(() => {})
    const run = nameOf(from, isOwn)
    let path = given ?? ''
    let written: RunRecord | undefined
    return {
      get path() {
        return path
      },
      run,
      from,
      base,
      async begin(identity, steps, bytes) {
        const notes = from === undefined ? [] : compare(from, identity, steps, options)
        const replaced = isOwn || given === undefined ? [] : replacedNames(given, record)
        await requireRoom(
          given ?? '.',
          bytes,
          replaced.map((name) => join(given ?? '.', name)),
        )
        if (given === undefined) {
          path = await makeDefaultFolder(nameOrPath)
          lock = await lockFolder(path)
        }
        written = { run, model: nameOrPath, identity, rows: describeRows(options), result: null }
        await writeRunRecord(path, written)
        if (given === undefined) notes.push(...(await pointLatest(path)))
        for (const name of replaced) await remove(path, name)
        for (const { path: other, as, why } of from?.passedOver ?? [])
          if (isOwn) notes.push(`${other} is set aside as ${basename(await setAside(other, as))}: ${why}`)
          else if (as !== 'superseded') notes.push(`${other} was passed over: ${why}`)
        return notes
      },
      async finish(result) {
        if (written) await writeRunRecord(path, { ...written, result })
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function nameOf(from: ChosenCheckpoint | undefined, isOwn: boolean): RunName {
  if (from !== undefined && isOwn) return from.state.run
  return {
    id: randomUUID(),
    started: new Date().toISOString(),
    ...(from && { parent: { id: from.state.run.id, step: from.state.step } }),
  }
}

/** null for one that cannot be read: the checkpoints say of which run they are. */
async function recordOf(folder: string): Promise<RunRecord | null | undefined> {
  if (!existsSync(join(folder, recordFile))) return undefined
  try {
    return await readRunRecord(folder)
  } catch (error) {
    if (error instanceof FettleError) return null
    throw error
  }
}

async function choose(target: ResumeTarget, record: RunRecord | null | undefined): Promise<ChosenCheckpoint> {
  if (target.checkpoint === undefined) return newestCheckpoint(target.folder, record?.run.id)
  const chosen = await namedCheckpoint(target.checkpoint)
  if (record && record.run.id !== chosen.state.run.id)
    throw new FettleError({
      place: target.checkpoint,
      found: `a checkpoint of the run of ${chosen.state.run.started}`,
      expected: `one of the run of ${record.run.started}, whose folder this is`,
      cure: 'Name another output_dir to go on with it there.',
    })
  return chosen
}

/**
 * Whether a run may go on from a checkpoint.
 *
 * @param steps    of the run, where they are known
 * @returns what it is extended by, in words
 */
function compare(
  { path, state }: Pick<ChosenCheckpoint, 'path' | 'state'>,
  identity: RunIdentity,
  steps: number | undefined,
  { extend, acceptChangedData }: Pick<TrainOptions, 'extend' | 'acceptChangedData'>,
): string[] {
  const problems = fixedProblems(state.identity, identity, path, acceptChangedData)
  const hasOtherData = acceptChangedData && isOtherData(state.identity, identity)
  const changes = extendedBy(state.identity, identity)
  if (!extend)
    for (const { name, before, now } of changes)
      problems.push({
        place: `${path}: ${name}`,
        found: quoteValue(now),
        expected: `${quoteValue(before)}, as in the run that wrote it`,
        cure: 'extend: true (--extend) goes on with the new value.',
      })
  if (
    steps !== undefined &&
    (steps < state.step || (changes.length === 0 && !hasOtherData && steps !== state.steps))
  )
    problems.push({
      place: `${path}: steps`,
      found: `${steps}`,
      expected:
        steps < state.step
          ? `at least the ${state.step} that are made`
          : `${state.steps}, as in the run that wrote it`,
    })
  if (problems.length > 0) throw new FettleError(problems)
  if (steps === undefined) return []
  const others = hasOtherData ? [`goes on after step ${state.step} with other data than before`] : []
  if (changes.length === 0) return others
  const said = changes.map(({ name, before, now }) => `${name} ${quoteValue(before)} → ${quoteValue(now)}`)
  return [...others, `extended after step ${state.step}: ${said.join(', ')}; ${state.steps} → ${steps} steps`]
}

async function remove(folder: string, name: string): Promise<void> {
  const path = join(folder, name)
  if (/^[a-z]+-\d+$/.test(name)) await removeFolder(path)
  else await removePath(path)
}
