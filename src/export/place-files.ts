import { existsSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join, parse, resolve } from 'node:path'
import { FettleError } from '../error.ts'
import {
  explainUnwritable,
  makeFolder,
  movePath,
  passingPath,
  refuseDanglingLink,
  removePath,
  syncFolder,
} from '../formats/index.ts'
import { filesIn } from './files-in.ts'
import type { ExportedFile } from './format.ts'

/** Whether what was written is what it should be. */
export type Outcome = 'whole' | 'failed'

/** Behind the name of what is not what it should be. */
export const failedSuffix = '.failed'

/**
 * Lets `write` fill a folder beside `output`, and moves what lies in it to its place when it is whole: a folder becomes
 * `output`, or its files go into the folder that is there; where `isFile`, its files go beside one another into the folder of
 * `output`. What `write` says to have failed gets `.failed` behind its name, in the place of what an earlier one left so, and what lies at
 * `output` stays. Where `write` throws nothing is left.
 *
 * @returns the files at their places, in the order of their names
 */
export async function placeWhole(
  output: string,
  isFile: boolean,
  write: (folder: string) => Promise<Outcome>,
): Promise<ExportedFile[]> {
  const { dir: parent, base } = parse(resolve(output))
  const temporary = await passingPath(join(parent, base))
  try {
    await makeFolder(parent)
    if (!isFile) await refuseDanglingLink(output)
    await mkdir(temporary)
    const suffix = (await write(temporary)) === 'failed' ? failedSuffix : ''
    const path = join(parent, `${base}${suffix}`)
    const names = await filesIn(temporary)
    if (suffix !== '' && !isFile) await removePath(path)
    const placed = isFile ? names.map((name) => withSuffix(name, suffix)) : names
    if (isFile || existsSync(path))
      for (const [i, name] of names.entries())
        await moveInto(join(temporary, name), join(isFile ? parent : path, placed[i]))
    else await movePath(temporary, path)
    await syncFolder(parent)
    const folder = isFile ? dirname(output) : `${output}${suffix}`
    return await Promise.all(placed.map((name) => describe(folder, name)))
  } catch (error) {
    throw atItsPlace(explainUnwritable(output, error), temporary, isFile ? parent : output)
  } finally {
    await removePath(temporary).catch(() => {})
  }
}

/** Nobody knows the folder that files are written into first. */
function atItsPlace(error: unknown, temporary: string, folder: string): unknown {
  if (!(error instanceof FettleError)) return error
  const problems = error.problems.map((problem) => ({
    ...problem,
    place: problem.place.replace(temporary, folder),
  }))
  return new FettleError(problems, { exitCode: error.exitCode, cause: error.cause })
}

/** Of what was set aside each file's name says it, once. */
function withSuffix(name: string, suffix: string): string {
  return suffix === '' || name.includes(`${suffix}.`) ? name : `${name}${suffix}`
}

async function moveInto(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to))
  await movePath(from, to)
}

async function describe(folder: string, name: string): Promise<ExportedFile> {
  const path = join(folder, name)
  return { path, bytes: (await stat(path)).size }
}
