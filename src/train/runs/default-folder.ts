import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, readlink, rename, rm, symlink, unlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { makeFolder, movePath, passingPath, syncFolder } from '../../formats/index.ts'
import { readRunRecord } from './records.ts'

/** Where runs go that nobody gave a folder. */
const runsFolder = 'runs'
/** A link for people and for other commands, which leads to the newest of them. */
export const latest = join(runsFolder, 'latest')

const ownName = /^(\d{4})-(\d\d)-(\d\d)-(\d\d)(\d\d)(\d\d)-/

/**
 * Makes the folder of a run that was given none: `runs/<date>-<time>-<model>`, a new one for each.
 *
 * @param name  the model's path
 */
export async function makeDefaultFolder(name: string, now = new Date()): Promise<string> {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-')
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')
  // A name for every system: Windows takes off dots at its end.
  const model = basename(resolve(name))
    .replace(/\.gguf$/i, '')
    .replaceAll(/[^\w.-]+/g, '-')
    .slice(0, 60)
    .replace(/\.+$/, '')
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

/**
 * Lets runs/latest lead to a folder of runs/; what is no link stays. On Windows, where nothing is renamed over a folder and a link counts
 * as one, the old link goes first: a run that ends in between is found by `latestFolder` all the same.
 *
 * @param platform  for tests, as the rename
 * @returns         what is to be said, where it leads elsewhere
 */
export async function pointLatest(
  folder: string,
  platform: NodeJS.Platform = process.platform,
  renameOnce: typeof rename = rename,
): Promise<string[]> {
  const found = await lstat(latest).catch(() => undefined)
  const beside = await passingPath(latest)
  try {
    if (found && !found.isSymbolicLink()) throw new Error('no link')
    await symlink(basename(folder), beside, 'junction')
    if (platform === 'win32') await removeLink()
    await movePath(beside, latest, platform, renameOnce)
    await syncFolder(runsFolder)
  } catch {
    // As on a file system without links: none is better than one that leads to an older run.
    await rm(beside, { force: true })
    await removeLink()
    if (await lstat(latest).catch(() => undefined))
      return [`${latest} does not lead to this run: what has that name cannot be replaced`]
  }
  return []
}

async function removeLink(): Promise<void> {
  if ((await linkedName()) !== undefined) await unlink(latest).catch(() => {})
}

/** Windows' links say whole paths, which are others where the folder was moved or copied. */
async function linkedName(): Promise<string | undefined> {
  return readlink(latest).then(
    (target) => basename(target),
    () => undefined,
  )
}

/** The newest run that was given no folder: that of runs/latest or, without such a link, by when the runs began. */
export async function latestFolder(): Promise<string | undefined> {
  const name = await linkedName()
  if (name !== undefined && existsSync(join(runsFolder, name))) return join(runsFolder, name)
  let newest: { path: string; began: number } | undefined
  for (const other of await readdir(runsFolder).catch(() => [])) {
    const path = join(runsFolder, other)
    const began = await beganAt(path, other)
    if (began !== undefined && (newest === undefined || began > newest.began)) newest = { path, began }
  }
  return newest?.path
}

/** By its record, or where that cannot be read by its name, whose time is that of a place; undefined for what is no such run. */
async function beganAt(folder: string, name: string): Promise<number | undefined> {
  const [year, month, ...rest] = (ownName.exec(name) ?? []).slice(1).map(Number)
  if (year === undefined) return undefined
  const [day, hours, minutes, seconds] = rest
  return readRunRecord(folder).then(
    ({ run }) => Date.parse(run.started),
    () => new Date(year, month - 1, day, hours, minutes, seconds).getTime(),
  )
}
