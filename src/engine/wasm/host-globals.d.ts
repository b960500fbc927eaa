// What this folder uses of JavaScript hosts, as lib.dom.d.ts has it: that whole library would let every other file of the project
// use names of pages by mistake.

type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer

declare namespace WebAssembly {
  type ModuleImports = Record<string, unknown>
  type Imports = Record<string, ModuleImports>
  class Module {
    private constructor()
    static imports(module: Module): { module: string; name: string; kind: string }[]
  }
  class Instance {
    constructor(module: Module, imports: Imports)
    readonly exports: Record<string, unknown>
  }
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: boolean })
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Global {
    private constructor()
    value: number
  }
  function compile(bytes: BufferSource): Promise<Module>
  function validate(bytes: BufferSource): boolean
}

declare class Worker {
  constructor(address: string)
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: { message: string }) => void) | null
  postMessage(message: unknown): void
  terminate(): void
}

// Properties of the global object have to be declared in this way.
declare var crossOriginIsolated: boolean | undefined
declare var navigator: { readonly hardwareConcurrency?: number; readonly deviceMemory?: number } | undefined
