import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { FettleError, messageOf } from '../../error.ts'
import { resolved } from '../../formats/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { checkCheckpoint, checkpointSteps, type SetAside } from './checkpoint.ts'
import { latest, latestFolder } from './default-folder.ts'
import { recordFile, type TrainerState } from './records.ts'
import { plural } from '../../plural.ts'

/** What a run is to go on from: a run's folder, or one checkpoint. */
export interface ResumeTarget {
  /** Of the run. */
  folder: string
  checkpoint?: string
}

/** A checkpoint that is whole, and those after it that a run does not go on from. */
export interface ChosenCheckpoint {
  path: string
  state: TrainerState
  passedOver: { path: string; as: SetAside; why: string }[]
}

/**
 * What `resume_from_checkpoint` means.
 *
 * @throws FettleError when there is nothing of the kind
 */
export async function resumeTarget({
  resumeFromCheckpoint: given,
  outputDir,
}: Pick<TrainOptions, 'resumeFromCheckpoint' | 'outputDir'>): Promise<ResumeTarget | undefined> {
  if (given === false) return undefined
  if (given === true) {
    const folder = outputDir ?? (await latestFolder())
    if (folder === undefined) throw nothingToResume('no run in runs/')
    return { folder }
  }
  const path = resolve(given) === resolve(latest) ? ((await latestFolder()) ?? given) : given
  if (!existsSync(path)) throw nothingToResume(`${given}, which does not exist`)
  if (!statSync(path).isDirectory()) throw nothingToResume(`${given}, a file`)
  if (/^diverged-\d+$/i.test(basename(resolved(path))))
    throw new FettleError({
      place: 'resume_from_checkpoint',
      found: `${given}, a state that gives no finite loss`,
      expected: 'a folder checkpoint-N, whose step was followed by others',
      cure: 'Whoever knows why the loss was not finite may give the folder the name checkpoint-N.',
    })
  if (existsSync(join(path, recordFile)) || (await checkpointSteps(path)).length > 0) return { folder: path }
  return { folder: dirname(path), checkpoint: path }
}

function nothingToResume(found: string): FettleError {
  return new FettleError({
    place: 'resume_from_checkpoint',
    found,
    expected: 'the folder of an earlier run, or of its checkpoint-N',
  })
}

/**
 * The newest whole checkpoint of a run.
 *
 * @param id  of the run; without it that of the first whole one
 * @throws FettleError that says of each checkpoint why it is none
 */
export async function newestCheckpoint(folder: string, id: string | undefined): Promise<ChosenCheckpoint> {
  const passedOver: ChosenCheckpoint['passedOver'] = []
  for (const step of (await checkpointSteps(folder)).toReversed()) {
    const path = join(folder, `checkpoint-${step}`)
    try {
      const state = await checkCheckpoint(path)
      if (id === undefined || state.run.id === id) return { path, state, passedOver }
      passedOver.push({ path, as: 'foreign', why: `it is of another run, of ${state.run.started}` })
    } catch (error) {
      const why = error instanceof FettleError ? describe(error) : messageOf(error)
      passedOver.push({ path, as: 'damaged', why })
    }
  }
  if (passedOver.length === 0) throw nothingToResume(`no checkpoint in ${folder}`)
  throw new FettleError(
    passedOver.map(({ path, why }) => ({
      place: path,
      found: why,
      expected: `a whole checkpoint of the run of ${folder}`,
    })),
  )
}

/** The first problem, and how many more. */
function describe({ problems: [first, ...others] }: FettleError): string {
  const more = others.length > 0 ? `, and ${plural(others.length, 'more file')} like it` : ''
  return `${first.place}: ${first.found}${first.expected === undefined ? '' : `; expected ${first.expected}`}${more}`
}

/**
 * A checkpoint that was named.
 *
 * @throws FettleError that names what of it is missing or damaged
 */
export async function namedCheckpoint(path: string): Promise<ChosenCheckpoint> {
  const state = await checkCheckpoint(path)
  const folder = dirname(path)
  const after = (await checkpointSteps(folder)).filter(
    (step) => step > state.step && `checkpoint-${step}` !== basename(path),
  )
  const passedOver = after.map((step) => ({
    path: join(folder, `checkpoint-${step}`),
    as: 'superseded' as const,
    why: `the run goes on from step ${state.step}`,
  }))
  return { path, state, passedOver }
}
