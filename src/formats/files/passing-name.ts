import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { refuseOddName } from './odd-name.ts'
import { removePath } from './moving.ts'

/** What another machine's process began is left alone for so long. */
const foreignMs = 24 * 3600 * 1000

const host = (): string => hostname().replaceAll(/[^\w-]/g, '_')

/**
 * A name for what is being made or taken away: it says whose it is.
 *
 * @param name  what it will be called, where that is known
 */
export function passingName(name?: string): string {
  const of = name === undefined ? '' : `${name}.`
  return `.${of}${host()}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
}

/** Takes away what processes that are gone left half made in a folder: under any name, or of what would be called `name`. */
export async function sweepPassing(folder: string, name?: string): Promise<void> {
  for (const found of await readdir(folder).catch(() => [])) {
    const [, of, from, pid] = /^\.(?:(.*)\.)?([\w-]+)\.(\d+)\.\w+\.tmp$/s.exec(found) ?? []
    if (from === undefined || of !== name) continue
    const path = join(folder, found)
    if (await isAbandoned(path, from, Number(pid))) await removePath(path).catch(() => {})
  }
}

/**
 * A path beside another one, where it is made; what processes that were ended there left of it goes.
 *
 * @throws FettleError where the system has no such names
 */
export async function passingPath(path: string): Promise<string> {
  refuseOddName(path)
  const folder = dirname(path)
  await sweepPassing(folder, basename(path))
  return join(folder, passingName(basename(path)))
}

async function isAbandoned(path: string, from: string, pid: number): Promise<boolean> {
  if (from === host()) return !isAlive(pid)
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > foreignMs,
    () => false,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
