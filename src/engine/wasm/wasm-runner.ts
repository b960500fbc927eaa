import type { KernelRunner, ProgramHandle, RunnerPart } from '../kernels/index.ts'
import type { Largest } from '../engine.ts'
import type { Border } from './border.ts'
import { createMemory, openBorder } from './border.ts'
import type { ThreadReply, ThreadTask } from './host.ts'
import type { WasmModule } from './module.ts'
import type { Thread } from './threads.ts'
import { startThread } from './threads.ts'

const int32 = 2
/** A power of two, for what kernels keep in arrays of their own. */
const stackBytes = 1 << 20
const emptyShape = [0, 0, 0, 0]

/** What JavaScript holds of a program: when it is gone, the module's is. */
interface Held {
  address: number
}

/**
 * Runs programs by the module: on as many workers as there are threads, the first of which takes the programs; with one thread and
 * memory of its own, on the thread that calls.
 */
export function createWasmRunner({ module, isShared }: WasmModule, threads: number): KernelRunner {
  const memory = createMemory(isShared)
  const border = openBorder(module, memory)
  border.call(({ start }) => start(threads))
  const workers = isShared ? Array.from({ length: threads }, (_, thread) => begin(thread)) : []
  const gone = new FinalizationRegistry((address: number) => {
    if (!closed) border.call(({ forget }) => forget(address))
  })
  let busy = false
  let closed = false

  return {
    tensor(dtype, shape, data) {
      checkShape('tensor', shape)
      opened('tensor')
      if (data && (data instanceof Int32Array !== (dtype === int32) || data.length > product(shape)))
        throw new TypeError(
          'tensor: data of another type or longer than the shape; expected numbers of the tensor',
        )
      const [a, b, c, d] = [...shape, ...emptyShape]
      return brought('tensor', data ?? new Uint8Array(0), (pointer) =>
        border.call(({ tensor }) => tensor(dtype, shape.length, a, b, c, d, pointer, data?.length ?? 0)),
      )
    },
    weight(dtype, columns, parts) {
      idle('weight')
      // What a part brings belongs to the weight.
      const list = parts.flatMap(({ rows, dtype: type, data }: RunnerPart) => {
        if (!data) throw new TypeError('weight: a part without data; expected its numbers')
        return [rows, type, border.bring(data)]
      })
      return brought('weight', Float64Array.from(list), (pointer) =>
        border.call(({ weight }) => weight(dtype, columns, pointer, parts.length)),
      )
    },
    quantised(handle, dtype) {
      idle('quantised')
      return named('quantised', () => border.call(({ quantised }) => quantised(handle, dtype)))
    },
    // There are no pages to let go of.
    stream() {},
    view(handle, offset, shape) {
      checkShape('view', [offset])
      checkShape('view', shape)
      opened('view')
      const [a, b, c, d] = [...shape, ...emptyShape]
      return named('view', () => border.call(({ view }) => view(handle, offset, shape.length, a, b, c, d)))
    },
    write(handle, data) {
      idle('write')
      brought('write', data, (pointer) =>
        border.call(({ write }) => write(handle, pointer, data instanceof Int32Array ? 1 : 0, data.length)),
      )
    },
    read(handle) {
      idle('read')
      return named('read', () => border.fetch(border.call(({ read }) => read(handle))))
    },
    readOutput(program, index) {
      idle('readOutput')
      return named('readOutput', () =>
        border.fetch(border.call(({ readOutput }) => readOutput(addressOf(program), index))),
      )
    },
    readLargest(program, index, count) {
      idle('readLargest')
      const words = border.fetch(
        named('readLargest', () =>
          border.call(({ readLargest }) => readLargest(addressOf(program), index, count)),
        ),
      ) as Int32Array
      return largestOf(words)
    },
    compile(code, arenaBytes) {
      opened('compile')
      const address = brought('compile', code, (pointer) =>
        border.call(({ compile }) => compile(pointer, code.length, arenaBytes)),
      )
      const held: Held = { address }
      gone.register(held, address)
      return held as unknown as ProgramHandle
    },
    async run(program, counts) {
      idle('run')
      const address = addressOf(program)
      const fits = brought('run', Float64Array.from(counts), (pointer) =>
        border.call(({ setRows }) => setRows(address, pointer, counts.length)),
      )
      if (!fits)
        throw new TypeError('run: more rows than the program was compiled for; expected as many at most')
      await perform({ method: 'run', program: address, times: 1 })
    },
    async finish(program) {
      idle('finish')
      const address = addressOf(program)
      named('finish', () => border.call(({ checkUnfinished }) => checkUnfinished(address)))
      await perform({ method: 'finish', program: address, times: 1 })
    },
    async repeat(program, times, output, input, counted, onRun) {
      idle('repeat')
      const address = addressOf(program)
      named('repeat', () => border.call(({ setFeedback }) => setFeedback(address, output, input, counted)))
      let isStopped = false
      await perform({ method: 'repeat', program: address, times }, (values) => {
        if (isStopped) return false
        isStopped = !onRun(values)
        if (isStopped) border.call(({ stop }) => stop())
        return !isStopped
      })
    },
    free(handle) {
      opened('free')
      named('free', () => border.call(({ drop }) => drop(handle)))
    },
    release() {
      idle('release')
      border.call(({ release }) => release())
    },
    close() {
      idle('close')
      closed = true
      for (const worker of workers) worker.end()
    },
    profile() {
      idle('profile')
      const words = border.fetch(border.call(({ profile }) => profile()))
      return new Float64Array(words.buffer)
    },
  }

  /** A worker with a stack of its own. */
  function begin(thread: number): Thread {
    const worker = startThread()
    const stack = border.call(({ take }) => take(stackBytes)) >>> 0
    const tlsBytes = border.call(({ __tls_size: size }) => Number(size?.value ?? 0))
    const tls = border.call(({ take }) => take(Math.max(tlsBytes, 8))) >>> 0
    worker.post({ module, memory, thread, stack: stack + stackBytes, tls })
    return worker
  }

  /** Has thread 0 do it; without workers, does it here, after timers had their turn. */
  async function perform(
    task: ThreadTask,
    onRun: (values: Int32Array) => boolean = () => true,
  ): Promise<void> {
    busy = true
    try {
      if (workers.length > 0) await performElsewhere(workers[0], task, onRun)
      else await performHere(task, onRun)
    } finally {
      busy = false
    }
  }

  function performElsewhere(
    worker: Thread,
    task: ThreadTask,
    onRun: (values: Int32Array) => boolean,
  ): Promise<void> {
    worker.keepProcess(true)
    return new Promise<void>((resolve, reject) => {
      worker.listen((reply: ThreadReply) => {
        if ('values' in reply) {
          onRun(reply.values)
          return
        }
        worker.keepProcess(false)
        if (reply.failure === null) resolve()
        else reject(new Error(reply.failure))
      })
      worker.post(task)
    })
  }

  async function performHere(
    { method, program, times }: ThreadTask,
    onRun: (values: Int32Array) => boolean,
  ): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve))
    if (method !== 'repeat') {
      border.call((exports) => exports[method](program))
      return
    }
    for (let run = 0; run < times; run += 1) {
      if (!onRun(border.fetch(border.call(({ repeat }) => repeat(program))) as Int32Array)) return
      await new Promise((resolve) => setTimeout(resolve))
    }
  }

  function opened(method: string): void {
    if (closed) throw new Error(`${method}: the engine was closed`)
  }

  function idle(method: string): void {
    opened(method)
    if (busy) throw new Error(`${method}: a program is running`)
    // Calls from here must not sleep: they may come from a page's main thread.
    border.call(({ maySleep }) => maySleep(0))
  }

  /** A call that is given numbers in the module's memory. */
  function brought<T>(
    method: string,
    numbers: Parameters<Border['bring']>[0],
    body: (pointer: number) => T,
  ): T {
    const pointer = border.bring(numbers)
    try {
      return named(method, () => body(pointer))
    } finally {
      border.call(({ give }) => give(pointer))
    }
  }
}

/** Errors say which method they are of, as the addon's do. */
function named<T>(method: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new Error(`${method}: ${error.message}`, { cause: error })
  }
}

function addressOf(program: ProgramHandle): number {
  return (program as unknown as Held).address
}

/** More elements than memory has bytes. */
const mostElements = 2 ** 46

function checkShape(method: string, shape: readonly number[]): void {
  if (shape.length > 4)
    throw new TypeError(`${method}: a shape of ${shape.length} dimensions; expected at most 4`)
  for (const size of shape)
    if (!Number.isInteger(size) || size < 0 || size > mostElements)
      throw new TypeError(`${method}: size ${size}; expected a whole number from 0 to ${mostElements}`)
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, size) => all * size, 1)
}

/** Reads what border.cc's readLargest wrote: how many rows, how many numbers of each; the places and the numbers of each. */
function largestOf(words: Int32Array): Largest[] {
  const rows = words[0]
  const values = new Float32Array(words.buffer)
  let at = 1 + rows
  return Array.from(words.subarray(1, at), (count) => {
    const ids = words.slice(at, at + count)
    at += 2 * count
    return { ids, values: values.slice(at - count, at) }
  })
}
