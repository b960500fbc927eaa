import type { Problem } from '../error.ts'
import type { Command } from './ops.ts'
import type { WeightForm } from './quantization.ts'
import type { DType, Dimension, RowCounts, RowSymbol, Tensor, TensorData, WeightPart } from './tensor.ts'

/** A list of commands with a place for each transient tensor; it can run any number of times. */
export interface Program {
  readonly commands: readonly Command[]
  /** How many of the commands `run` runs; those behind them wait for `finish`. */
  readonly firstCommands: number
  /** Transient tensors that stay readable until the next program runs. */
  readonly outputs: readonly Tensor[]
  /** Size of the memory that all transient tensors share. */
  readonly arenaBytes: number
  /** Rows that there is room for. */
  readonly capacities: ReadonlyMap<RowSymbol, number>
}

/** How one run of a program becomes the next: integers go round, positions move on. */
export interface Feedback {
  /** Runs at most. */
  times: number
  /** The integers that a run makes, an output of the program… */
  output: Tensor
  /** …are those that the next one begins with: a persistent tensor of the same size. */
  input: Tensor
  /** A persistent tensor of integers, each of which is one more in the next run. */
  counted: Tensor
}

/** Some of the numbers of a row. */
export interface Largest {
  /** [n] where they stand, ascending */
  ids: Int32Array
  /** [n] */
  values: Float32Array
}

/** Runs programs. Between the start of a program and `read` no value comes back to JavaScript. */
export interface Engine {
  /** As the registry calls it. */
  readonly name: string
  /** Instruction set in use: `amx`, `avx512bf16`, `avx512`, `avx2`, `portable`, `neonbf16`, `neon`, `simd128` (WebAssembly), or `javascript`. */
  readonly isa: string
  readonly threads: number
  /** Compute types, the preferred one first. */
  readonly activationTypes: readonly DType[]
  /** Bytes; the address of every tensor is a multiple of them. */
  readonly alignment: number
  /** Whether bfloat16 weights are best held as `bfloat12`: a quarter less memory to read, where that is what takes the time. */
  readonly prefersBfloat12: boolean

  /**
   * A persistent tensor; zeros without `data`. float32 data is rounded when `dtype` is bfloat16. The first dimension may be
   * one that is counted anew in each run: `rowsOf('tokens', 512)`.
   */
  tensor(dtype: DType, shape: readonly Dimension[], data?: TensorData): Tensor
  /**
   * A frozen matrix [Σ rows, columns] from blocks of rows, in `dtype`; blocks whose type is `dtype` already may be
   * mapped from their file instead of read. With a quantization as `form` each block is a matrix that is quantised, and its
   * numbers are those that quantising leaves; with `blocks` all of them are such parts, and stay as they are; where 4-bit blocks do not end with the rows (columns not a multiple of 64)
   * they are held in `dtype` all the same, and so are bfloat16 numbers that `bfloat12` has no room for. Such a tensor can be the
   * weight of `linear`, and be read.
   */
  weight(
    dtype: DType,
    columns: number,
    parts: readonly WeightPart[],
    form?: WeightForm | null,
  ): Promise<Tensor>
  /** A copy of a persistent matrix in that form, with the same limits; its dtype is the matrix's. */
  quantized(matrix: Tensor, form: WeightForm): Tensor
  /**
   * Lets go of the pages of these weights after each command that reads them, as far as they are mapped from a file, and
   * of no others: the process needs less memory, and the system's file cache holds what there is room for.
   */
  stream(weights: readonly Tensor[]): void
  /** Part of a persistent tensor, sharing its memory; `offset` in elements. */
  view(tensor: Tensor, offset: number, shape: readonly number[]): Tensor
  /** Overwrites a persistent tensor from its first element on. Not while a program runs. */
  write(tensor: Tensor, data: TensorData): void
  /** Values of a persistent tensor, or of an output of the program that ran last. A copy. */
  read(tensor: Tensor): Promise<TensorData>
  /**
   * Of each row of an output of the program that ran last, in float32: its `count` largest values, and others that are about as large as
   * the smallest of these or larger. No NaN.
   */
  readLargest(tensor: Tensor, count: number): Promise<Largest[]>
  /** `later` are commands that only `finish` runs. */
  compile(commands: readonly Command[], outputs: readonly Tensor[], later?: readonly Command[]): Program
  /**
   * Runs off the main thread (native), or gives way to timers between commands (reference). One at a time.
   * With `rows`, tensors whose rows are counted in these symbols have so many this time; all others are as they were compiled.
   *
   * @throws FettleError for more rows than the program was compiled for, or for rows that it does not have
   */
  run(program: Program, rows?: RowCounts): Promise<void>
  /**
   * Runs the commands of a program that were compiled as `later`, with the rows and the memory of its run, once, after the caller
   * has read outputs and written inputs: a backward pass whose weights are computed from what the forward pass gave.
   *
   * @throws Error unless `run` of this program was the last thing that ran
   */
  finish(program: Program): Promise<void>
  /**
   * Runs a program again and again without waiting for JavaScript: `onRun` gets the output's values of each run, in order,
   * while the next one is under way. When it returns false, or throws, no further run begins, one under way is given
   * up, and onRun is not called again.
   */
  repeat(program: Program, feedback: Feedback, onRun: (output: Int32Array) => boolean): Promise<void>
  /** Gives back a persistent tensor. Does nothing once the engine is closed. */
  free(tensor: Tensor): void
  /** Gives back the memory that programs share, and with it their outputs; the next one that runs takes it anew. Not while one runs. */
  release(): void
  /** Gives back everything: tensors, what programs share, threads. Nothing can be done with the engine afterwards. Not while a program runs. */
  close(): void
  /** Milliseconds spent in each op since the last call, `forward` and `vjp` apart: `linear.vjp`. */
  profile(): Map<string, number>
}

/** What an engine's folder exports for the registry. */
export interface EngineEntry {
  /** Why the engine cannot run here, in one sentence; undefined when it can. */
  problem(): Promise<string | undefined>
  /** How it would run here, in a sentence or two; undefined when it can. */
  cure?(): string | undefined
  /** What is to be said of it although it runs. */
  notice?(): Problem | undefined
  /** @throws FettleError with the cure where it cannot run here */
  create(options: { threads?: number }): Promise<Engine>
}
