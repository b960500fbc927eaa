import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { FettleError, listNames } from '../../error.ts'
import { makeFolder, syncFolder } from '../../formats/index.ts'
import type { TrainOptions } from '../options/index.ts'
import { modelFiles } from './checkpoint.ts'
import { recordFile, type RunRecord } from './records.ts'

/** Where runs go that nobody gave a folder. */
const runsFolder = 'runs'
/** Points to the newest of them. */
const latest = join(runsFolder, 'latest')

/** What a run leaves besides its result. */
const ofRun = /^(checkpoint|diverged|damaged|foreign|superseded)-\d+$/
const ofModel = /^(config\.json|adapter_config\.json|.*\.(safetensors|bin|pt|pth))$/

/**
 * Makes the folder of a run that was given none: `runs/<date>-<model>`, a new one for each.
 *
 * @param name  the model's path
 */
export async function makeDefaultFolder(name: string, now = new Date()): Promise<string> {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-')
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')
  const model = basename(resolve(name))
    .replace(/\.gguf$/, '')
    .replaceAll(/[^\w.-]+/g, '-')
    .slice(0, 60)
  await makeFolder(runsFolder)
  for (let number = 1; ; number++) {
    const path = join(runsFolder, `${date}-${time}-${model}${number === 1 ? '' : `-${number}`}`)
    // Whoever makes it has it: of two processes one takes the next number.
    const isOurs = await mkdir(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
        return false
      },
    )
    if (isOurs) return path
  }
}

/** Lets runs/latest point to a folder of runs/; a folder of this name, as older runs made it, stays. */
export async function pointLatest(folder: string): Promise<void> {
  const found = await lstat(latest).catch(() => undefined)
  if (found && !found.isSymbolicLink()) return
  const beside = `${latest}.${process.pid}`
  await rm(beside, { force: true })
  try {
    await symlink(basename(folder), beside, process.platform === 'win32' ? 'junction' : 'dir')
    await rename(beside, latest)
    await syncFolder(runsFolder)
  } catch {
    // A file system without links: the run is there all the same, and its path is said.
    await rm(beside, { force: true })
  }
}

/** The folder that runs/latest points to, if there is one. */
export async function latestFolder(): Promise<string | undefined> {
  const target = await readlink(latest).catch(() => undefined)
  if (target !== undefined) return existsSync(latest) ? join(runsFolder, target) : undefined
  return existsSync(latest) ? latest : undefined
}

/**
 * Refuses a folder whose files are read: writing would change what the run starts from.
 *
 * @throws FettleError that says what lies there
 */
export function refuseHarm(
  outputDir: string,
  modelPath: string,
  { adapter }: Pick<TrainOptions, 'adapter'>,
): void {
  const out = resolved(outputDir)
  const isFolder = existsSync(modelPath) && statSync(modelPath).isDirectory()
  const read = [
    ...(isFolder || out === resolved(modelPath)
      ? [{ what: 'the folder of the base model', path: modelPath }]
      : []),
    ...(adapter === null
      ? []
      : [{ what: 'the folder of the adapter that the run starts from', path: adapter }]),
  ]
  for (const { what, path } of read) {
    const source = resolved(path)
    const below = source.startsWith(out + sep) ? source.slice(out.length + 1).split(sep)[0] : undefined
    if (source === out || (below !== undefined && ofRun.test(below)))
      throw new FettleError({
        place: 'output_dir',
        found: source === out ? `${outputDir}, ${what}` : `${outputDir}, whose ${below} is ${what}`,
        expected: 'a folder of its own, so that nothing that is read is written',
        cure: 'Choose another output_dir.',
      })
  }
}

/**
 * Refuses a folder that holds another run, or a model that no run wrote.
 *
 * @param record  of the run that the folder says to be of; null where it cannot be read
 */
export function refuseOtherRun(
  folder: string,
  record: RunRecord | null | undefined,
  overwrite: boolean,
): void {
  const names = readdirSync(folder)
  const ofAnother = names.filter((name) => ofRun.test(name) || ofModel.test(name))
  if (ofAnother.length === 0) return
  const isModel = !record && (names.includes('config.json') || names.includes('model.safetensors'))
  if (overwrite && !isModel) return
  const begun = record ? ` of ${record.run.started}` : ''
  throw new FettleError({
    place: folder,
    found: isModel
      ? `a model that no run of fettle is known to have written (${listNames(ofAnother)})`
      : names.includes(recordFile) || ofAnother.some((name) => ofRun.test(name))
        ? `another run${begun} (${listNames(ofAnother)})`
        : `what another run may have left (${listNames(ofAnother)})`,
    expected: 'a new or empty folder',
    cure: isModel
      ? 'Choose another output_dir.'
      : 'Choose another output_dir, go on with that run (--resume), or replace it with overwrite: true (--overwrite).',
  })
}

/** What of a folder goes when its run is replaced: its checkpoints and its result; of what says of no run only an adapter. */
export function replacedNames(folder: string, record: RunRecord | null | undefined): string[] {
  const told = ['events.jsonl', 'report.html', 'tensorboard']
  const result = [
    ...told,
    ...(record === undefined ? ['adapter_config.json', 'adapter_model.safetensors'] : modelFiles),
  ]
  return readdirSync(folder).filter((name) => ofRun.test(name) || result.includes(name))
}

/** A path without links, as far as it exists. */
export function resolved(path: string): string {
  const absolute = resolve(path)
  if (existsSync(absolute)) return realpathSync(absolute)
  const parent = dirname(absolute)
  return parent === absolute ? absolute : join(resolved(parent), basename(absolute))
}
