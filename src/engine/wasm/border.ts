import type { Exports } from './host.ts'
import { importsOf } from './host.ts'

/** An instance of the module for the thread that makes it, with its memory. */
export interface Border {
  readonly memory: WebAssembly.Memory
  /** A call whose exception leaves the stack as it was: see native/wasm/exceptions.cc. */
  call<T>(body: (exports: Exports) => T): T
  /** The bytes at an address. Whoever calls anything else looks anew, since memory may have grown. */
  bytes(pointer: number, length: number): Uint8Array
  /** A copy of numbers in the module's memory, which whoever gets the address gives back. */
  bring(numbers: Float32Array | Float64Array | Int32Array | Uint16Array | Uint8Array): number
  /** The numbers of a Result of border.cc, copied; what it owned is given back. */
  fetch(result: number): Float32Array | Int32Array
  /** The text at an address, which ends with 0. */
  text(pointer: number): string
}

/** What the module begins with: its constants and the first thread's stack. */
const firstPages = 320
/** As the module says (scripts/wasm-sources.mjs). */
const mostPages = 65535

/**
 * Memory for a module: up to 4 GiB, as far as the host sets aside so many addresses.
 *
 * @throws RangeError where it gives none
 */
export function createMemory(isShared: boolean): WebAssembly.Memory {
  for (let maximum = mostPages; ; maximum = (maximum + 1) / 2) {
    try {
      return new WebAssembly.Memory({ initial: firstPages, maximum, shared: isShared })
    } catch (error) {
      if (!(error instanceof RangeError) || maximum <= 4096) throw error
    }
  }
}

/** Makes the instance of the thread that calls, and the module's variables. */
export function openBorder(module: WebAssembly.Module, memory: WebAssembly.Memory): Border {
  const instance = new WebAssembly.Instance(module, importsOf(module, memory))
  const exports = instance.exports as unknown as Exports
  exports._initialize()
  const border: Border = {
    memory,
    call(body) {
      const stack = exports.__stack_pointer.value as number
      try {
        return body(exports)
      } catch (error) {
        exports.__stack_pointer.value = stack
        throw error
      }
    },
    bytes(pointer, length) {
      // Another thread may have grown the memory: asking for no page brings the buffer of today.
      if (pointer + length > memory.buffer.byteLength) memory.grow(0)
      return new Uint8Array(memory.buffer, pointer, length)
    },
    bring(numbers) {
      const pointer = border.call(({ take }) => take(Math.max(numbers.byteLength, 8))) >>> 0
      const from = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
      border.bytes(pointer, numbers.byteLength).set(from)
      return pointer
    },
    fetch(result) {
      const [data, count, isInteger, isOwned] = wordsOf(border.bytes(result >>> 0, 16).slice())
      const bytes = border.bytes(data, 4 * count).slice()
      if (isOwned) exports.give(data)
      return isInteger ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer)
    },
    text(pointer) {
      let end = pointer >>> 0
      const all = border.bytes(end, memory.buffer.byteLength - end)
      end = all.indexOf(0)
      return new TextDecoder().decode(all.slice(0, end))
    },
  }
  return border
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}
