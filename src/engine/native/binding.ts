import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../error.ts'
import { packageFolder } from '../../version.ts'
import { typeNames, type KernelRunner } from '../kernels/index.ts'
import { changedSource } from './changed-source.ts'
import { cureFor, enginePackage, findAddons, thisTarget, wrongPackage, type AddonFile } from './find-addon.ts'
import { tableHash } from './table-hash.ts'

/** What all threads together can do at best: operations a second (0: no such instruction), and bytes read a second. */
export interface MachinePeaks {
  float32: number
  bfloat16: number
  int8: number
  read: number
}

export interface Addon {
  Runner: new (isa: string, threads: number) => KernelRunner
  /**
   * Arithmetic as the best of some runs of `seconds` each, and reading as `readPeak` (0 bytes: not measured), during which
   * nothing else runs.
   */
  peaks(isa: string, threads: number, readBytes: number, seconds: number): MachinePeaks
  /** Bytes read a second; measures for about 0.1 s. */
  readPeak(isa: string, threads: number, readBytes: number): number
  returnIdleMemory(): Promise<void>
  /** Instruction sets that run here, the fastest first. */
  isas: string[]
  /** All that it was built for. */
  builtIsas?: string[]
  /** Of the op table that the addon was built from. */
  tableHash: string
  typeNames?: string[]
}

/** The addon that runs, and what is told of it. */
export interface LoadedAddon extends AddonFile {
  addon: Addon
}

/** Why there is none, and how there would be one: a sentence each. */
export interface MissingAddon {
  problem: string
  cure: string
}

/** Of fettle's package.json; where a bundler put this file into another program, of that. */
function ownFolder(): string {
  try {
    return packageFolder()
  } catch {
    return dirname(fileURLToPath(import.meta.url))
  }
}

function load(): LoadedAddon | MissingAddon {
  const folder = ownFolder()
  const target = thisTarget()
  if (process.env['FETTLE_NATIVE'] === '0')
    return { problem: 'FETTLE_NATIVE=0 is set', cure: 'Unset it to have the native engine.' }
  const problems: string[] = []
  for (const file of findAddons(folder, target)) {
    const found = wrongPackage(folder, file) ?? loadFile(file)
    if (typeof found !== 'string') return { ...file, addon: found }
    problems.push(found)
  }
  const problem = problems[0] ?? `${enginePackage(target)} is not installed, and no engine was built here`
  return { problem, cure: cureFor(folder, target) }
}

/** The addon, or what is wrong with it. */
function loadFile({ path, package: from }: AddonFile): Addon | string {
  const name = from === undefined ? 'the engine that was built here' : from.name
  try {
    const addon = createRequire(import.meta.url)(path) as Addon
    if (addon.tableHash !== tableHash() || addon.typeNames?.join() !== typeNames.join())
      return `${name} was built from other sources (npm run build:native)`
    return addon.isas.length > 0 ? addon : `${name} has no kernels for this processor`
  } catch (error) {
    return `${path} does not load: ${messageOf(error)}`
  }
}

let loaded: LoadedAddon | MissingAddon | undefined

/** The addon and where it is from, or why there is none. */
export function findNative(): LoadedAddon | MissingAddon {
  loaded ??= load()
  return loaded
}

/** The addon, or one sentence that says why there is none. */
export function nativeAddon(): Addon | string {
  const found = findNative()
  return 'addon' in found ? found.addon : found.problem
}

/** Instruction sets of the native engine that this machine can run, the fastest first; none without the addon. */
export function nativeIsas(): string[] {
  const addon = nativeAddon()
  return typeof addon === 'string' ? [] : addon.isas
}

/** Why the native engine is not there, or undefined when it is. */
export function nativeProblem(): string | undefined {
  const addon = nativeAddon()
  return typeof addon === 'string' ? addon : undefined
}

/**
 * The file of native/ that changed after the addon was built from that folder, or undefined. A package's addon has no sources to be
 * compared with.
 */
export function changedSince(found: LoadedAddon): string | undefined {
  return found.package === undefined ? changedSource(ownFolder(), found.path) : undefined
}

/** How this machine gets the native engine, or undefined where it has it. */
export function nativeCure(): string | undefined {
  const found = findNative()
  return 'addon' in found ? undefined : found.cure
}
