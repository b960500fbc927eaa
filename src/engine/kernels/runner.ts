import type { Largest } from '../engine.ts'

/** A program that a runner decoded. */
export type ProgramHandle = { readonly __program: unique symbol }

/** One block of rows as native/runner_object.cc reads it; dtype 0 F32, 1 BF16, 2 F16, and from 3 on the types of blocks. */
export interface RunnerPart {
  rows: number
  dtype: number
  path?: string
  offset?: number
  data?: Float32Array | Uint16Array | Uint8Array
}

/** What runs programs: native/runner.h, by way of Node-API or of WebAssembly. dtype: 0 float32, 1 bfloat16, 2 int32; of weights also 3 int8, 4 nf4, 5 fp4, 6 bfloat12, 7 blocks. */
export interface KernelRunner {
  tensor(dtype: number, shape: readonly number[], data: Float32Array | Int32Array | null): number
  weight(dtype: number, columns: number, parts: readonly RunnerPart[]): number
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
