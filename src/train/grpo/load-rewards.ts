import { existsSync } from 'node:fs'
import { parse, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FettleError, messageOf } from '../../error.ts'
import type { RewardFunction } from './rewards.ts'

/** Versions of Node from this one on read TypeScript by themselves. */
const readsTypeScript = '22.18'

/**
 * The functions of `rewards`: those that a program gives, and those of modules, each of which exports one or more: all of its functions,
 * in the order of their names, the default one under the module's name.
 *
 * @throws FettleError for a module that cannot be loaded, or has no function
 */
export async function loadRewards(given: readonly (RewardFunction | string)[]): Promise<RewardFunction[]> {
  const functions: RewardFunction[] = []
  for (const each of given) functions.push(...(typeof each === 'string' ? await functionsOf(each) : [each]))
  return functions
}

async function functionsOf(path: string): Promise<RewardFunction[]> {
  const place = `rewards: ${path}`
  const expected = 'a module that exports functions (completion, row) => number'
  const file = resolve(path)
  if (!existsSync(file)) throw new FettleError({ place, found: 'nothing', expected })
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    const isUnread = isUnknownExtension(error)
    throw new FettleError(
      {
        place,
        found: isUnread ? `a file that Node ${process.versions.node} does not run` : messageOf(error),
        expected,
        ...(isUnread && {
          cure: `Write it as .mjs, or use Node ${readsTypeScript} or later, which runs TypeScript.`,
        }),
      },
      { cause: error },
    )
  }
  const found = Object.entries(module).flatMap(([name, value]) =>
    typeof value === 'function'
      ? [named(value as RewardFunction, name === 'default' ? parse(file).name : name)]
      : [],
  )
  if (found.length > 0) return found
  const names = Object.keys(module)
  throw new FettleError({
    place,
    found: names.length > 0 ? `exports ${names.join(', ')}` : 'no exports',
    expected,
  })
}

/** An arrow function that is exported by default is called `default`. */
function named(reward: RewardFunction, name: string): RewardFunction {
  if (reward.name !== 'default' && reward.name !== '') return reward
  return Object.defineProperty<RewardFunction>((...given) => reward(...given), 'name', {
    value: name,
  })
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION'
}
