import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../error.ts'
import type { Largest } from '../engine.ts'
import { typeNames } from './program-code.ts'
import { tableHash } from './table-hash.ts'

/** A program that the addon decoded. */
export type ProgramHandle = { readonly __program: unique symbol }

/** One block of rows as native/addon.cc reads it; dtype 0 F32, 1 BF16, 2 F16, and from 3 on the types of blocks. */
export interface NativePart {
  rows: number
  dtype: number
  path?: string
  offset?: number
  data?: Float32Array | Uint16Array | Uint8Array
}

/** The class that native/addon.cc exports. dtype: 0 float32, 1 bfloat16, 2 int32; of weights also 3 int8, 4 nf4, 5 fp4, 6 bfloat12, 7 blocks. */
export interface Runner {
  tensor(dtype: number, shape: readonly number[], data: Float32Array | Int32Array | null): number
  weight(dtype: number, columns: number, parts: readonly NativePart[]): number
  quantised(handle: number, dtype: number): number
  stream(handles: readonly number[]): void
  view(handle: number, offset: number, shape: readonly number[]): number
  write(handle: number, data: Float32Array | Int32Array): void
  read(handle: number): Float32Array | Int32Array
  readOutput(program: ProgramHandle, index: number): Float32Array | Int32Array
  readLargest(program: ProgramHandle, index: number, count: number): Largest[]
  compile(code: Float64Array, arenaBytes: number): ProgramHandle
  /** counts: how many there are of each symbol that rows are counted in, by its number; 0: as compiled. */
  run(program: ProgramHandle, counts: readonly number[]): Promise<void>
  finish(program: ProgramHandle): Promise<void>
  /** Engine.repeat: `output` is an index of the program's tensors, `input` and `counted` are handles; onRun must not throw. */
  repeat(
    program: ProgramHandle,
    times: number,
    output: number,
    input: number,
    counted: number,
    onRun: (output: Int32Array) => boolean,
  ): Promise<void>
  free(handle: number): void
  release(): void
  close(): void
  profile(): Float64Array
}

/** What all threads together can do at best: operations a second (0: no such instruction), and bytes read a second. */
export interface MachinePeaks {
  float32: number
  bfloat16: number
  int8: number
  read: number
}

interface Addon {
  Runner: new (isa: string, threads: number) => Runner
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
  /** Of the op table that the addon was built from. */
  tableHash: string
  typeNames?: string[]
}

/** Where the build puts the addon: the package's own build folder, both from src/ and from dist/. */
export function addonPath(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')))
      return join(folder, 'build', `${process.platform}-${process.arch}`, 'fettle.node')
    if (folder === dirname(folder)) return undefined
  }
}

function load(): Addon | string {
  if (process.env['FETTLE_NATIVE'] === '0') return 'FETTLE_NATIVE=0 is set'
  const path = addonPath()
  if (path === undefined || !existsSync(path)) return 'the native engine was not built (npm run build:native)'
  try {
    const addon = createRequire(import.meta.url)(path) as Addon
    if (addon.tableHash !== tableHash() || addon.typeNames?.join() !== typeNames.join())
      return 'the native engine was built from other sources (npm run build:native)'
    return addon.isas.length > 0
      ? addon
      : 'the native engine was built for another processor (npm run build:native)'
  } catch (error) {
    return `${path} does not load: ${messageOf(error)}`
  }
}

let loaded: Addon | string | undefined

/** The addon, or one sentence that says why there is none. */
export function nativeAddon(): Addon | string {
  loaded ??= load()
  return loaded
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
