import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * Where prepared data are kept: the option, else what `FETTLE_CACHE` names, else `fettle` in the user's cache folder
 * (`XDG_CACHE_HOME`, or ~/.cache). `FETTLE_CACHE=off` keeps none.
 *
 * @returns undefined where none are kept
 */
export function cacheFolder(
  option: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (option !== undefined) return option
  const { FETTLE_CACHE: named, XDG_CACHE_HOME: caches } = environment
  if (named === 'off') return undefined
  if (named !== undefined && named !== '') return named
  // The standard has relative paths ignored.
  return join(caches !== undefined && isAbsolute(caches) ? caches : join(homedir(), '.cache'), 'fettle')
}
