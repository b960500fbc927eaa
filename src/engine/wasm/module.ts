import { FettleError, messageOf } from '../../error.ts'
import { fuseProducts, knowsFused } from './fused.ts'
import { clearShared } from './unshared.ts'

/** 128-bit vectors; `relaxed-simd` multiplies and adds in one instruction, which rounds once. */
export type WasmIsa = 'relaxed-simd' | 'simd128'

/** The engine's file, compiled for a host. */
export interface WasmModule {
  readonly module: WebAssembly.Module
  readonly isa: WasmIsa
  /** Whether its memory is one that threads share. */
  readonly isShared: boolean
}

/** Where the file is, if not in assets/. */
let source: string | URL | BufferSource | undefined
const compiled = new Map<string, Promise<WasmModule>>()

/**
 * Where the WebAssembly engine's file is, for hosts that do not have it beside fettle's own files: an address, or its bytes.
 * To be called before the first engine is made; the same again changes nothing.
 */
export function setWasmSource(given: string | URL | BufferSource): void {
  if (given === source) return
  source = given
  compiled.clear()
}

/** Whether the engine's file can be looked for. */
export function wasmProblem(): string | undefined {
  if (typeof WebAssembly !== 'object') return 'this host has no WebAssembly'
  if (source === undefined && pathOfFile() === undefined)
    return 'its file assets/engine.wasm is not there (npm run build:wasm)'
  // A function of one 128-bit constant.
  const vectors = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98,
    11,
  ]
  return WebAssembly.validate(Uint8Array.from(vectors)) ? undefined : 'this host knows no 128-bit vectors'
}

/** The faster instruction set that this host has, unless FETTLE_ISA says simd128. */
export function wasmIsa(): WasmIsa {
  if (globalThis.process?.env['FETTLE_ISA'] === 'simd128') return 'simd128'
  return knowsFused() || enableFused() ? 'relaxed-simd' : 'simd128'
}

/** Node 20 has relaxed SIMD as Node 22 does, behind a switch. */
function enableFused(): boolean {
  const v8 = globalThis.process?.versions?.v8?.startsWith('11.3.') && process.getBuiltinModule?.('node:v8')
  if (v8) v8.setFlagsFromString('--experimental-wasm-relaxed-simd')
  return knowsFused()
}

/**
 * The engine's file, compiled once for an instruction set; for memory that threads share, or for memory of its own.
 *
 * @throws FettleError where it cannot be read
 */
export async function wasmModule(isShared: boolean, isa: WasmIsa = wasmIsa()): Promise<WasmModule> {
  const key = `${isa} ${isShared}`
  const started = compiled.get(key) ?? compile(isShared, isa)
  compiled.set(key, started)
  try {
    return await started
  } catch (error) {
    compiled.delete(key)
    throw new FettleError({
      place: 'engine wasm',
      found: messageOf(error),
      expected: 'the file engine.wasm of this version of fettle',
    })
  }
}

async function compile(isShared: boolean, isa: WasmIsa): Promise<WasmModule> {
  const bytes = await read()
  if (!isShared) clearShared(bytes)
  if (isa === 'relaxed-simd') fuseProducts(bytes)
  return { module: await WebAssembly.compile(bytes), isa, isShared }
}

async function read(): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof source === 'string' || source instanceof URL) {
    const response = await fetch(source)
    if (!response.ok) throw new Error(`${response.url} answers ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  }
  if (source !== undefined)
    return ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice()
      : new Uint8Array(source).slice()
  const path = pathOfFile()
  const fs = fileSystem()
  if (path === undefined || fs === undefined) throw new Error('assets/engine.wasm is not there')
  return new Uint8Array(fs.readFileSync(path))
}

/** Node's, without an import that programs for pages would stumble on. */
function fileSystem(): typeof import('node:fs') | undefined {
  return globalThis.process?.getBuiltinModule?.('node:fs')
}

/** The package's own assets/engine.wasm, both from src/ and from dist/. */
function pathOfFile(): URL | undefined {
  const fs = fileSystem()
  if (fs === undefined || !import.meta.url.startsWith('file:')) return undefined
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const path = new URL('assets/engine.wasm', folder)
    if (fs.existsSync(new URL('package.json', folder))) return fs.existsSync(path) ? path : undefined
    if (folder.pathname === '/' || new URL('..', folder).href === folder.href) return undefined
  }
}
