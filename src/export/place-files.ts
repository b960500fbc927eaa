import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { explainUnwritable, makeFolder, syncFolder } from '../formats/index.ts'
import type { ExportedFile } from './format.ts'

/**
 * Lets `write` fill a folder beside `output`, and moves what lies in it to its place when it is whole: a folder becomes
 * `output`, or its files go into the folder that is there; where `isFile`, its files go beside one another into the folder of
 * `output`. Where `write` fails nothing is left.
 *
 * @returns the files at their places, in the order of their names
 */
export async function placeWhole(
  output: string,
  isFile: boolean,
  write: (folder: string) => Promise<void>,
): Promise<ExportedFile[]> {
  const path = resolve(output)
  const parent = dirname(path)
  const temporary = join(parent, `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    await makeFolder(parent)
    await mkdir(temporary)
    await write(temporary)
    const names = await filesIn(temporary)
    const folder = isFile ? parent : path
    if (isFile || existsSync(path)) for (const name of names) await moveInto(temporary, folder, name)
    else await rename(temporary, path)
    await syncFolder(parent)
    return await Promise.all(names.map((name) => describe(isFile ? dirname(output) : output, name)))
  } catch (error) {
    throw explainUnwritable(output, error)
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => {})
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()
}

async function moveInto(from: string, to: string, name: string): Promise<void> {
  const target = join(to, name)
  await makeFolder(dirname(target))
  await rename(join(from, name), target)
}

async function describe(folder: string, name: string): Promise<ExportedFile> {
  const path = join(folder, name)
  return { path, bytes: (await stat(path)).size }
}
