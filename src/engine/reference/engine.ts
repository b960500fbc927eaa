import { bfloat16ToFloat32, float32ToBfloat16 } from '../../float16.ts'
import type { Engine, Program } from '../engine.ts'
import { roundThrough } from '../quantization.ts'
import type { Command, OpName } from '../ops.ts'
import { checkRows, firstCommands, planMemory, rowCapacities, withoutDeadCommands } from '../plan.ts'
import type { DType, RowCounts, Tensor, TensorData } from '../tensor.ts'
import { elementCount, shapeInRun, tensorHandle } from '../tensor.ts'
import { givingWay } from './give-way.ts'
import type { Matrix, UntypedKernel } from './kernel.ts'
import { execute } from './kernel.ts'
import { kernels } from './kernels.ts'
import { readQuantized, readRowScales, readWeight } from '../weight-values.ts'

/** Every element takes four bytes here: bfloat16 is stored widened, and rounded only where values come in. */
const storedBytes: { readonly [K in DType]: number } = { float32: 4, bfloat16: 4, int32: 4 }

const alignment = 4

/**
 * The specification as an engine: one thread of plain TypeScript, for the browser, for machines without a compiler
 * and as the oracle of the native kernels. Sums are made in double precision and stored in float32.
 */
export function createReferenceEngine(): Engine {
  const persistent = new Map<number, TensorData>()
  const rowScales = new Map<number, Float32Array>()
  const plans = new WeakMap<Program, ReadonlyMap<number, number>>()
  let elapsedMs = new Map<string, number>()
  let arena = new ArrayBuffer(0)
  let lastRun: Program | null = null
  let unfinished: Program | null = null
  let countsOfRun: RowCounts = {}
  let running: Promise<void> | null = null
  let closed = false

  const engine: Engine = {
    name: 'reference',
    isa: 'javascript',
    threads: 1,
    activationTypes: ['float32'],
    alignment,
    prefersBfloat12: false,
    tensor(dtype, shape, data) {
      const tensor = tensorHandle('persistent', dtype, shape)
      const size = checkedCount('tensor', tensor.shape)
      persistent.set(tensor.id, dtype === 'int32' ? new Int32Array(size) : new Float32Array(size))
      if (data) store(tensor, data)
      return tensor
    },
    async weight(dtype, columns, parts, form) {
      if (form) {
        const values = await readQuantized(columns, parts, form)
        const tensor = keep(dtype, [values.length / columns, columns], values)
        if (form === 'int8') rowScales.set(tensor.id, await readRowScales(columns, parts))
        return tensor
      }
      const values = await readWeight(columns, parts)
      const tensor = keep(dtype, [values.length / columns, columns], values)
      if (dtype === 'bfloat16') store(tensor, values)
      return tensor
    },
    quantized(matrix, form) {
      const values = roundThrough(valuesOf(matrix) as Float32Array, matrix.shape[1], form)
      return keep(matrix.dtype, matrix.shape, values)
    },
    view(tensor, offset, shape) {
      checkedCount('view', [offset])
      const size = checkedCount('view', shape)
      const values = valuesOf(tensor)
      if (offset + size > values.length)
        throw new Error(`view: elements ${offset} to ${offset + size} of ${values.length}`)
      return keep(tensor.dtype, shape, values.subarray(offset, offset + size))
    },
    write: store,
    async read(tensor) {
      await running
      return inRun(tensor).slice()
    },
    async readLargest(tensor, count) {
      await running
      const width = tensor.shape[tensor.shape.length - 1]
      const all = inRun(tensor) as Float32Array
      return Array.from({ length: all.length / width }, (_, row) => {
        const values = all.subarray(row * width, (row + 1) * width)
        const numbers = values.filter((value) => !Number.isNaN(value)).toSorted()
        const smallest = numbers[Math.max(0, numbers.length - count)]
        const ids = Int32Array.from(values.keys()).filter((i) => values[i] >= smallest)
        return { ids, values: Float32Array.from(ids, (i) => values[i]) }
      })
    },
    compile(commands, outputs, later = []) {
      const kept = withoutDeadCommands([...commands, ...later], outputs)
      const plan = planMemory(kept, outputs, { alignment, bytesPerElement: storedBytes })
      const program = {
        commands: kept,
        firstCommands: firstCommands(kept, later),
        outputs,
        arenaBytes: plan.bytes,
        capacities: rowCapacities(kept),
      }
      plans.set(program, plan.offsets)
      return program
    },
    async run(program, rows = {}) {
      if (running) throw new Error('a program is already running')
      checkRows(program, rows)
      if (arena.byteLength < program.arenaBytes) arena = new ArrayBuffer(program.arenaBytes)
      lastRun = program
      countsOfRun = rows
      unfinished = null
      await whileRunning(program.commands.slice(0, program.firstCommands))
      unfinished = program
    },
    async finish(program) {
      if (unfinished !== program) throw new Error('finish: another program ran last, or this one is finished')
      unfinished = null
      await whileRunning(program.commands.slice(program.firstCommands))
    },
    async repeat(program, { times, output, input, counted }, onRun) {
      for (let run = 0; run < times; run += 1) {
        await engine.run(program)
        const values = valuesOf(output).slice() as Int32Array
        store(input, values)
        valuesOf(counted).forEach((count, i, counts) => (counts[i] = count + 1))
        if (!onRun(values)) return
      }
    },
    // Copies every weight: there are no pages to let go of.
    stream() {},
    free(tensor) {
      if (closed) return
      if (!persistent.delete(tensor.id))
        throw new Error('this tensor was freed, or belongs to another engine')
      rowScales.delete(tensor.id)
    },
    release() {
      if (running) throw new Error('release: a program is running')
      arena = new ArrayBuffer(0)
      lastRun = null
      unfinished = null
    },
    close() {
      engine.release()
      closed = true
      persistent.clear()
      rowScales.clear()
    },
    profile() {
      const result = elapsedMs
      elapsedMs = new Map()
      return result
    },
  }
  return engine

  async function whileRunning(commands: readonly Command[]): Promise<void> {
    running = runCommands(commands)
    try {
      await running
    } finally {
      running = null
    }
  }

  async function runCommands(commands: readonly Command[]): Promise<void> {
    const giveWay = givingWay()
    for (const command of commands) {
      const startMs = performance.now()
      execute(kernelOf(command.op), command, matrixOf)
      const name = command.direction === 'vjp' ? `${command.op}.vjp` : command.op
      elapsedMs.set(name, (elapsedMs.get(name) ?? 0) + performance.now() - startMs)
      await giveWay()
    }
  }

  function keep(dtype: DType, shape: readonly number[], values: TensorData): Tensor {
    const tensor = tensorHandle('persistent', dtype, shape)
    persistent.set(tensor.id, values)
    return tensor
  }

  function store(tensor: Tensor, data: TensorData): void {
    if (running) throw new Error('write: a program is running')
    const values = valuesOf(tensor)
    if (data instanceof Int32Array !== values instanceof Int32Array)
      throw new Error(`write: ${data.constructor.name} into a tensor of ${tensor.dtype}`)
    if (data.length > values.length) throw new Error(`write: ${data.length} values into ${values.length}`)
    if (tensor.dtype === 'bfloat16' && data instanceof Float32Array)
      values.set(bfloat16ToFloat32(float32ToBfloat16(data)))
    else values.set(data)
  }

  function matrixOf(tensor: Tensor): Matrix {
    const shape = shapeInRun(tensor, countsOfRun)
    const columns = shape.at(-1) ?? 1
    const rows = elementCount(shape.slice(0, -1))
    // Kernels' types know which of their arguments are integers.
    const data = valuesOf(tensor).subarray(0, elementCount(shape)) as Float32Array
    return { data, shape, rows, columns, rowScales: rowScales.get(tensor.id) }
  }

  /** The values of all of a persistent tensor, and of the rows that an output had in the run. */
  function inRun(tensor: Tensor): TensorData {
    const values = valuesOf(tensor)
    return tensor.kind === 'persistent'
      ? values
      : values.subarray(0, elementCount(shapeInRun(tensor, countsOfRun)))
  }

  function valuesOf(tensor: Tensor): TensorData {
    const kept = persistent.get(tensor.id)
    if (kept) return kept
    const offset = lastRun && plans.get(lastRun)?.get(tensor.id)
    if (typeof offset !== 'number') throw new Error(`tensor ${tensor.id} was freed, or never computed`)
    const size = elementCount(tensor.shape)
    return tensor.dtype === 'int32'
      ? new Int32Array(arena, offset, size)
      : new Float32Array(arena, offset, size)
  }
}

/** Elements of a shape whose sizes are whole numbers. */
function checkedCount(method: string, shape: readonly number[]): number {
  if (shape.every((size) => Number.isInteger(size) && size >= 0)) return elementCount(shape)
  throw new Error(`${method}: [${shape.join(', ')}]; expected whole numbers`)
}

function kernelOf(op: OpName): UntypedKernel {
  return kernels[op] as unknown as UntypedKernel
}
