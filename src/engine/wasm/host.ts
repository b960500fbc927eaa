/** What the module's functions are, by name; native/wasm/border.cc has them. Pointers and counts of memory are numbers. */
export interface Exports {
  readonly __stack_pointer: WebAssembly.Global
  readonly __wasm_init_tls?: (at: number) => void
  readonly __tls_size?: WebAssembly.Global
  _initialize(): void
  start(threads: number): void
  take(bytes: number): number
  give(pointer: number): void
  work(thread: number): void
  workAgain(thread: number): void
  settle(): void
  maySleep(may: number): void
  tensor(
    dtype: number,
    rank: number,
    a: number,
    b: number,
    c: number,
    d: number,
    data: number,
    count: number,
  ): number
  weight(dtype: number, columns: number, parts: number, count: number): number
  quantised(handle: number, dtype: number): number
  view(handle: number, offset: number, rank: number, a: number, b: number, c: number, d: number): number
  write(handle: number, data: number, isInteger: number, count: number): void
  read(handle: number): number
  readOutput(program: number, index: number): number
  readLargest(program: number, index: number, count: number): number
  drop(handle: number): void
  compile(code: number, length: number, arenaBytes: number): number
  forget(program: number): void
  setRows(program: number, counts: number, length: number): number
  checkUnfinished(program: number): void
  setFeedback(program: number, output: number, input: number, counted: number): void
  run(program: number): void
  finish(program: number): void
  repeat(program: number): number
  stop(): void
  release(): void
  profile(): number
  tableHash(): number
  sources(): number
}

/** What a worker is sent first: what it runs, and where its stack and its variables of a thread are. */
export interface ThreadSetup {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  thread: number
  /** End of the stack, which grows downwards. */
  stack: number
  tls: number
}

/** What the worker that is thread 0 is asked: `repeat` runs a program so many times. */
export interface ThreadTask {
  method: 'run' | 'finish' | 'repeat'
  program: number
  times: number
}

/** `values` while it repeats, and then once how it ended. */
export type ThreadReply = { values: Int32Array } | { failure: string | null }

/**
 * What a module imports. The C library asks for a clock, which it gets, and names some calls of files that nobody makes. Has
 * to be complete in itself: threads get it as text.
 */
export function importsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports {
  const fail = (pointer: number, length: number): never => {
    throw new Error(new TextDecoder().decode(new Uint8Array(memory.buffer).slice(pointer, pointer + length)))
  }
  const clock = (_id: number, _precision: bigint, to: number): number => {
    new DataView(memory.buffer).setBigUint64(to, BigInt(Math.round(performance.now() * 1e6)), true)
    return 0
  }
  const known: WebAssembly.ModuleImports = { memory, fail, clock_time_get: clock }
  const notThere = 52
  const imports: WebAssembly.Imports = {}
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {}
    imports[from][name] = known[name] ?? (() => notThere)
  }
  return imports
}

/**
 * The program of a thread: the first message makes an instance over the shared memory. Thread 0 then runs programs as it is told;
 * every other one stays inside of the pool (native/wasm/pool.cc). Has to be complete in itself, as `importsOf`.
 */
export function runThread(
  imports: typeof importsOf,
  listen: (heard: (message: ThreadSetup | ThreadTask) => void) => void,
  post: (reply: ThreadReply) => void,
): void {
  let exports: Exports
  let memory: WebAssembly.Memory
  let stack = 0
  const begin = (setup: ThreadSetup): void => {
    memory = setup.memory
    stack = setup.stack
    const instance = new WebAssembly.Instance(setup.module, imports(setup.module, memory))
    exports = instance.exports as unknown as Exports
    exports.__stack_pointer.value = stack
    exports.__wasm_init_tls?.(setup.tls)
    if (setup.thread === 0) return
    for (let enter = exports.work; ; enter = exports.workAgain) {
      try {
        enter(setup.thread)
        return
      } catch {
        exports.__stack_pointer.value = stack
      }
    }
  }
  const perform = ({ method, program, times }: ThreadTask): void => {
    exports.maySleep(1)
    if (method !== 'repeat') exports[method](program)
    for (let run = 0; method === 'repeat' && run < times; run += 1) {
      const result = exports.repeat(program)
      if (result === 0) return
      const [data, count] = new Uint32Array(memory.buffer, result, 2)
      post({ values: new Int32Array(memory.buffer, data, count).slice() })
    }
  }
  listen((message) => {
    if ('module' in message) {
      begin(message)
      return
    }
    try {
      perform(message)
      post({ failure: null })
    } catch (error) {
      exports.__stack_pointer.value = stack
      exports.settle()
      post({ failure: error instanceof Error ? error.message : String(error) })
    }
  })
}
