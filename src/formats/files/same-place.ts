import { existsSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/**
 * Whether two paths lead to one file or folder. Their texts do not say it: links and mounts give it several, and on Windows and macOS
 * names in another case are the same.
 */
export function isSamePlace(one: string, other: string): boolean {
  if (resolved(one) === resolved(other)) return true
  const identity = identityOf(one)
  return identity !== undefined && identity === identityOf(other)
}

/** Device and number of what is there; as bigint, because Windows' numbers have 64 bits. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    // Some file systems number nothing.
    return ino ? `${dev}:${ino}` : undefined
  } catch {
    return undefined
  }
}

/** The name in a folder by which a path below it begins; undefined where the path does not lie below. */
export function nameInside(folder: string, path: string): string | undefined {
  for (let below = resolved(path); dirname(below) !== below; below = dirname(below))
    if (isSamePlace(dirname(below), folder)) return basename(below)
  return undefined
}

/** A path without links, as far as it exists. */
export function resolved(path: string): string {
  const absolute = resolve(path)
  if (existsSync(absolute)) return realpathSync(absolute)
  const parent = dirname(absolute)
  return parent === absolute ? absolute : join(resolved(parent), basename(absolute))
}
