import { existsSync, statSync } from 'node:fs'
import { extname, parse, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FettleError, messageOf } from '../../error.ts'
import { isModelFolder, loadRewardModel } from './reward-model.ts'
import type { RewardFunction } from './rewards.ts'

/** Versions of Node that read TypeScript by themselves. */
const readsTypeScript = 'Node 22.18, 23.6 or later'

const expected =
  'a module that exports functions (completion, row) => number, or the folder of a reward model'

/** Functions that say how good completions are. */
export interface LoadedRewards {
  functions: RewardFunction[]
  /** Gives back what reward models hold. */
  free(): Promise<void>
}

/** Loads a module; a test has one that cannot. */
type ImportModule = (url: string) => Promise<Record<string, unknown>>

/**
 * The functions of `rewards`: those that a program gives; those of modules, each of which exports one or more: all of its functions,
 * in the order of their names, the default one under the module's name; and reward models in folders, under the folder's name.
 *
 * @throws FettleError for a module that cannot be loaded, or has no function, and for a folder without a reward model
 */
export async function loadRewards(
  given: readonly (RewardFunction | string)[],
  importModule: ImportModule = (url) => import(url) as Promise<Record<string, unknown>>,
): Promise<LoadedRewards> {
  const functions: RewardFunction[] = []
  const models: { free(): Promise<void> }[] = []
  const free = async (): Promise<void> => {
    for (const model of models.splice(0)) await model.free()
  }
  try {
    for (const each of given) {
      if (typeof each !== 'string') functions.push(each)
      else if (isFolder(each)) {
        const model = await loadRewardModel(each, placeOf(each))
        models.push(model)
        functions.push(model.reward)
      } else functions.push(...(await functionsOf(each, importModule)))
    }
  } catch (error) {
    await free()
    throw error
  }
  return { functions, free }
}

function placeOf(path: string): string {
  return `rewards: ${path}`
}

/** @throws FettleError where there is nothing, or a folder without a model */
function isFolder(path: string): boolean {
  if (!existsSync(path)) throw new FettleError({ place: placeOf(path), found: 'nothing', expected })
  if (!statSync(path).isDirectory()) return false
  if (isModelFolder(path)) return true
  throw new FettleError({
    place: placeOf(path),
    found: 'a folder without config.json and adapter_config.json',
    expected,
  })
}

async function functionsOf(path: string, importModule: ImportModule): Promise<RewardFunction[]> {
  const file = resolve(path)
  let module: Record<string, unknown>
  try {
    module = await importModule(pathToFileURL(file).href)
  } catch (error) {
    throw new FettleError({ place: placeOf(path), expected, ...problemOf(error, file) }, { cause: error })
  }
  const found = Object.entries(module).flatMap(([name, value]) =>
    typeof value === 'function'
      ? [named(value as RewardFunction, name === 'default' ? parse(file).name : name)]
      : [],
  )
  if (found.length > 0) return found
  const names = Object.keys(module)
  throw new FettleError({
    place: placeOf(path),
    found: names.length > 0 ? `exports ${names.join(', ')}` : 'no exports',
    expected,
  })
}

/** Why a module cannot be loaded, and what to do. */
function problemOf(error: unknown, file: string): { found: string; cure?: string } {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    const isTypeScript = ['.ts', '.mts', '.cts'].includes(extname(file))
    return {
      found: `a file that Node ${process.versions.node} does not run`,
      cure: `Write it as .mjs${isTypeScript ? `, or use ${readsTypeScript}, which run TypeScript` : ''}.`,
    }
  }
  const found = messageOf(error)
  if (code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return { found }
  return {
    found,
    cure: 'Node only takes types away: write without enum, namespace and parameter properties.',
  }
}

/** An arrow function that is exported by default is called `default`. */
function named(reward: RewardFunction, name: string): RewardFunction {
  if (reward.name !== 'default' && reward.name !== '') return reward
  return Object.defineProperty<RewardFunction>((...given) => reward(...given), 'name', {
    value: name,
  })
}
