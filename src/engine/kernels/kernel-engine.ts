import { toNamespacedPath } from 'node:path'
import { blockTypes } from '../block-types.ts'
import type { Engine, Program } from '../engine.ts'
import { opNames } from '../ops.ts'
import { checkRows, firstCommands, planMemory, rowCapacities, withoutDeadCommands } from '../plan.ts'
import type { WeightForm } from '../quantization.ts'
import { fourBitBlock } from '../quantization.ts'
import type { RowSymbol, Tensor, WeightPart } from '../tensor.ts'
import { bytesPerElement, isBlockPart, tensorHandle } from '../tensor.ts'
import { readBlocks, readNumbers, readQuantized } from '../weight-values.ts'
import { dtypeCodes, encodeProgram, formCodes } from './program-code.ts'
import type { KernelRunner, ProgramHandle, RunnerPart } from './runner.ts'

interface KernelProgram extends Program {
  handle: ProgramHandle
  indices: Map<number, number>
  symbols: readonly RowSymbol[]
}

const partTypes = { F32: 0, BF16: 1, F16: 2 } as const
const blockCodes = Object.keys(blockTypes)

/** A cache line, and a vector of the widest instruction set. */
const alignment = 64

/** What differs between the engines that run the kernels of native/. */
export interface KernelEngineOptions extends Pick<Engine, 'name' | 'isa' | 'threads' | 'prefersBfloat12'> {
  runner: KernelRunner
  /** Whether the runner maps files by their paths; one that does not is given their bytes. */
  mapsFiles: boolean
  /** A program that needs more memory than those before it waits for this. */
  beforeMemoryIsTaken(): void | Promise<void>
}

/** The engine of the C++ kernels, by way of whoever runs them: an addon, or WebAssembly. */
export function createKernelEngine(options: KernelEngineOptions): Engine {
  const { name, isa, threads, prefersBfloat12, runner, mapsFiles, beforeMemoryIsTaken } = options
  const handles = new Map<number, number>()
  let lastProgram: KernelProgram | undefined
  let closed = false
  // Of the memory that programs share; −1 when there is none.
  let sharedBytes = -1

  return {
    name,
    isa,
    threads,
    activationTypes: ['bfloat16', 'float32'],
    alignment,
    prefersBfloat12,
    tensor(dtype, shape, data) {
      const tensor = tensorHandle('persistent', dtype, shape)
      handles.set(tensor.id, runner.tensor(dtypeCodes[dtype], tensor.shape, data ?? null))
      return tensor
    },
    async weight(dtype, columns, parts, form = null) {
      const rows = parts.reduce((sum, part) => sum + part.rows, 0)
      if (form && !fitsRows(columns, form)) {
        const data = await readQuantized(columns, parts, form)
        const handle = runner.weight(dtypeCodes[dtype], columns, [{ data, dtype: partTypes.F32, rows }])
        return persistent(handle, dtype, [rows, columns])
      }
      const code = form ? formCodes[form] : dtypeCodes[dtype]
      const read = await Promise.all(
        parts.map((part) =>
          form === 'blocks' ? blocksOf(columns, part, mapsFiles) : numbersOf(columns, part, mapsFiles),
        ),
      )
      return persistent(runner.weight(code, columns, read), dtype, [rows, columns])
    },
    quantized(matrix, form) {
      const [rows, columns] = matrix.shape
      if (!fitsRows(columns, form))
        throw new Error(`quantized: ${columns} columns in ${form}, expected whole blocks`)
      const handle = runner.quantised(handleOf(matrix), formCodes[form])
      return persistent(handle, matrix.dtype, [rows, columns])
    },
    stream: (weights) => runner.stream(weights.map(handleOf)),
    view: (tensor, offset, shape) =>
      persistent(runner.view(handleOf(tensor), offset, shape), tensor.dtype, shape),
    write: (tensor, data) => runner.write(handleOf(tensor), data),
    async read(tensor) {
      if (tensor.kind === 'persistent') return runner.read(handleOf(tensor))
      return runner.readOutput(...outputOf(tensor))
    },
    readLargest: async (tensor, count) => runner.readLargest(...outputOf(tensor), count),
    compile(commands, outputs, later = []): KernelProgram {
      const kept = withoutDeadCommands([...commands, ...later], outputs)
      const first = firstCommands(kept, later)
      const { offsets, bytes } = planMemory(kept, outputs, { alignment, bytesPerElement })
      const { code, indices, symbols } = encodeProgram(
        kept,
        first,
        (tensor) => offsets.get(tensor.id) ?? handleOf(tensor),
      )
      const handle = runner.compile(code, bytes)
      const capacities = rowCapacities(kept)
      const program = { commands: kept, firstCommands: first, outputs, arenaBytes: bytes, capacities }
      return { ...program, handle, indices, symbols }
    },
    async run(program, rows = {}) {
      checkRows(program, rows)
      const { handle, symbols } = program as KernelProgram
      await starting(program)
      await runner.run(
        handle,
        symbols.map((symbol) => rows[symbol] ?? 0),
      )
    },
    finish: (program) => runner.finish((program as KernelProgram).handle),
    async repeat(program, { times, output, input, counted }, onRun) {
      const { handle, indices } = program as KernelProgram
      const index = indices.get(output.id)
      if (index === undefined) throw new Error('repeat: the output is none of the program')
      const failures: unknown[] = []
      const guarded = (values: Int32Array): boolean => {
        try {
          return onRun(values)
        } catch (error) {
          failures.push(error)
          return false
        }
      }
      await starting(program)
      try {
        await runner.repeat(handle, times, index, handleOf(input), handleOf(counted), guarded)
      } catch (error) {
        // The run that was under way while the caller failed may have failed for the same reason.
        failures.push(error)
      }
      if (failures.length > 0) throw failures[0]
    },
    free(tensor) {
      if (closed) return
      runner.free(handleOf(tensor))
      handles.delete(tensor.id)
    },
    release() {
      runner.release()
      sharedBytes = -1
      lastProgram = undefined
    },
    close() {
      runner.close()
      closed = true
      handles.clear()
      lastProgram = undefined
    },
    profile() {
      const milliseconds = new Map<string, number>()
      runner.profile().forEach((nanoseconds, i) => {
        if (nanoseconds > 0)
          milliseconds.set(`${opNames[i >> 1]}${i % 2 === 1 ? '.vjp' : ''}`, nanoseconds / 1e6)
      })
      return milliseconds
    },
  }

  /** The program runs next; whoever wants to know of memory that it takes is heard first, so that kernels do not share the processor. */
  async function starting(program: Program): Promise<void> {
    if (program.arenaBytes > sharedBytes) {
      sharedBytes = program.arenaBytes
      await beforeMemoryIsTaken()
    }
    lastProgram = program as KernelProgram
  }

  function persistent(handle: number, dtype: Tensor['dtype'], shape: readonly number[]): Tensor {
    const tensor = tensorHandle('persistent', dtype, shape)
    handles.set(tensor.id, handle)
    return tensor
  }

  function handleOf(tensor: Tensor): number {
    const handle = handles.get(tensor.id)
    if (handle === undefined) throw new Error('this tensor was freed, or belongs to another engine')
    return handle
  }

  /** The program that ran last, and where the tensor stands in it. */
  function outputOf(tensor: Tensor): [ProgramHandle, number] {
    const index = lastProgram?.indices.get(tensor.id)
    if (!lastProgram || index === undefined)
      throw new Error('read: not an output of the program that ran last')
    return [lastProgram.handle, index]
  }
}

/** Rows of blocks as a runner takes them: as they are. */
async function blocksOf(columns: number, part: WeightPart, mapsFiles: boolean): Promise<RunnerPart> {
  if (!isBlockPart(part)) throw new Error(`weight: ${part.dtype} among blocks`)
  const dtype = blockCodes.indexOf(part.dtype) + Object.keys(partTypes).length
  const { rows } = part
  const place = mapsFiles ? placeInFile(part) : undefined
  return { dtype, rows, ...(place ?? { data: await readBlocks(columns, part) }) }
}

/** The file to map, where there is one: on Windows in the form that may have more than 260 characters, as Node's own calls have it. */
function placeInFile(part: WeightPart): { path: string; offset: number } | undefined {
  if (!('source' in part) || part.source.path === undefined) return undefined
  return { path: toNamespacedPath(part.source.path), offset: part.offset }
}

/** A part as a runner takes it: the file to map where there is one, else its numbers. */
async function numbersOf(columns: number, part: WeightPart, mapsFiles: boolean): Promise<RunnerPart> {
  if (isBlockPart(part))
    return { dtype: partTypes.F32, rows: part.rows, data: await readNumbers(columns, part) }
  const { dtype, rows } = part
  const place = mapsFiles ? placeInFile(part) : undefined
  return { dtype: partTypes[dtype], rows, ...(place ?? { data: await readNumbers(columns, part) }) }
}

/** Whether no block of the quantised matrix reaches from one row into the next. */
function fitsRows(columns: number, form: WeightForm): boolean {
  return (form !== 'nf4' && form !== 'fp4') || columns % fourBitBlock === 0
}
