// Stands in for node:stream in bundles for pages: what readers of rows ask of Readable, and what csv-parse and the reader of tables
// ask of Transform. Nothing waits for anything but for a reader that is behind.
import { Buffer } from './buffer.ts'

export const Readable = {
  from: (chunks: AsyncGenerator<Uint8Array>) =>
    Object.assign(chunks, { destroy: () => void chunks.return(undefined) }),
}

/** Records that wait to be read before a writer is asked to wait. */
const mostWaiting = 1024

type Heard = (...values: unknown[]) => void

export class Transform {
  destroyed = false
  #waiting: unknown[] = []
  #isEnded = false
  #error: Error | undefined
  readonly #once = new Map<string, Heard[]>()
  #wake: () => void = () => {}

  push(value: unknown): void {
    if (value === null) this.#isEnded = true
    else this.#waiting.push(value)
    this.#wake()
  }

  /** @returns whether there is room for more; otherwise 'drain' says when */
  write(chunk: string | Uint8Array): boolean {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this._transform(bytes, 'buffer', (error) => error && this.destroy(error))
    return this.#waiting.length < mostWaiting
  }

  end(): void {
    this._flush((error) => (error ? this.destroy(error) : this.push(null)))
  }

  destroy(error?: Error): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#error = error
    this.emit('close')
    this.#wake()
  }

  once(event: string, heard: Heard): this {
    this.#once.set(event, [...(this.#once.get(event) ?? []), heard])
    return this
  }

  on(event: string, heard: Heard): this {
    return this.once(event, heard)
  }

  emit(event: string, ...values: unknown[]): void {
    const all = this.#once.get(event) ?? []
    this.#once.delete(event)
    for (const heard of all) heard.apply(this, values)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator {
    for (;;) {
      if (this.#error) throw this.#error
      const ready = this.#waiting.splice(0)
      this.emit('drain')
      yield* ready
      if (ready.length > 0) continue
      if (this.#isEnded || this.destroyed) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  _transform(_chunk: Uint8Array, _encoding: string, _done: (error?: Error) => void): void {}
  _flush(_done: (error?: Error) => void): void {}
}
