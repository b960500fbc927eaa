import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sourcesHash } from '../../scripts/wasm-sources.mjs'
import { createMemory, openBorder } from '../../src/engine/wasm/border.ts'
import { fuseProducts } from '../../src/engine/wasm/fused.ts'
import {
  engineOfModule,
  setWasmSource,
  threadsProblem,
  wasmIsa,
  wasmModule,
} from '../../src/engine/wasm/index.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Command } from '../../src/engine/ops.ts'
import { tableHash } from '../../src/engine/native/table-hash.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { random } from './random.ts'

const file = join(import.meta.dirname, '..', '..', 'assets', 'engine.wasm')
const shared = await wasmModule(true)
const own = await wasmModule(false)
const plain = await wasmModule(true, 'simd128')
const openOwn = () => openBorder(own.module, createMemory(false))

interface Sizes {
  rows: number
  width: number
  outputs: number
}

/** x [rows, width] · Wᵀ, W [outputs, width] */
async function multiplied(
  engine: Engine,
  left: Float32Array,
  data: Float32Array,
  { rows, width, outputs }: Sizes,
): Promise<Float32Array> {
  const x = engine.tensor('float32', [rows, width], left)
  const weight = await engine.weight('float32', width, [{ dtype: 'F32', rows: outputs, data }])
  const y = tensorHandle('transient', 'float32', [rows, outputs])
  const inputs = [x, weight, null, null, null, null, null]
  const command: Command = {
    op: 'linear',
    direction: 'forward',
    inputs,
    outputs: [y, null],
    attributes: [1, 0, 0, 0, 0],
  }
  await engine.run(engine.compile([command], [y]))
  return (await engine.read(y)) as Float32Array
}

describe('assets/engine.wasm', () => {
  it('was built from the sources that are here; else: npm run build:wasm, and commit it', () => {
    expect(readFileSync(file).includes(sourcesHash())).toBe(true)
  })

  it('has the op table of src/engine/ops.ts, and less than 2 MB', () => {
    const border = openOwn()
    expect(border.text(border.call((exports) => exports.tableHash()))).toBe(tableHash())
    expect(statSync(file).size).toBeLessThan(2e6)
  })
})

it('takes its file from an address or from memory, and says what is wrong with it', async () => {
  setWasmSource(readFileSync(file))
  const { module } = await wasmModule(false)
  const { exports } = openBorder(module, createMemory(false)).call((found) => ({
    exports: found,
  }))
  expect(exports.take(8)).toBeGreaterThan(0)
  setWasmSource(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))
  await expect(wasmModule(false)).rejects.toThrow(
    /^engine wasm: a module without shared memory; expected the file engine.wasm/,
  )
  setWasmSource(readFileSync(file))
  expect(threadsProblem()).toBeUndefined()
})

describe('relaxed SIMD', () => {
  it('makes one instruction of each product that is added, in a module that runs', async () => {
    const bytes = new Uint8Array(readFileSync(file))
    const count = fuseProducts(bytes)
    expect(count).toBeGreaterThan(1000)
    // What was changed has the mark no more.
    expect(fuseProducts(bytes)).toBe(0)
    expect(wasmIsa()).toBe('relaxed-simd')
    expect(WebAssembly.validate(bytes)).toBe(true)
  })

  it('leaves alone what only looks like it', () => {
    const near = Uint8Array.of(0xfd, 0xe6, 0x01, 0x20, 0x85, 0x01, 0xfd, 0xe4, 0x01, 0x21, 0x05, 0xfd, 0xe6)
    const before = near.slice()
    expect(fuseProducts(near)).toBe(0)
    expect(near).toEqual(before)
    near[9] = 0x01
    expect(fuseProducts(near)).toBe(1)
    expect([...near]).toEqual([0x20, 0x85, 0x01, 0xfd, 0x85, 0x02, 1, 1, 1, 1, 0x05, 0xfd, 0xe6])
  })

  it('rounds a sum of products once, and plain vectors do twice', async () => {
    const [rows, ulp] = [32, 2 ** -23]
    const found = await Promise.all(
      [shared, plain].map(async (module) => {
        const engine = engineOfModule(module, 1)
        // (1 + u)² - (1 + 2 u) = u²; of a few outputs every second product is summed apart.
        const left = Float32Array.from({ length: 3 * rows }, (_, i) => [1, 0, 1 + ulp][i % 3])
        const y = await multiplied(engine, left, Float32Array.of(-1 - 2 * ulp, 0, 1 + ulp), {
          rows,
          width: 3,
          outputs: 1,
        })
        engine.close()
        return [...new Set(y)]
      }),
    )
    expect(shared.isa).toBe('relaxed-simd')
    expect(plain.isa).toBe('simd128')
    expect(found).toEqual([[ulp ** 2], [0]])
  })
})

it('adds products in pairs with plain vectors, so that a large sum is rounded half as often', async () => {
  const engine = engineOfModule(plain, 1)
  const [rows, width, outputs] = [32, 4, 8]
  // One by one each 1 is lost: 2^24 + 1 is rounded to 2^24.
  const left = Float32Array.from({ length: rows * width }, (_, i) => [2 ** 24, 0, 1, 1][i % width])
  const ones = new Float32Array(width * outputs).fill(1)
  const y = await multiplied(engine, left, ones, { rows, width, outputs })
  engine.close()
  expect([...new Set(y)]).toEqual([2 ** 24 + 2])
})

describe('the heap of the module', () => {
  it('gives out memory that does not overlap, and takes it back', () => {
    const memory = createMemory(false)
    const border = openBorder(own.module, memory)
    const r = random(5)
    const held: { pointer: number; bytes: Uint8Array }[] = []
    let grownTo = 0
    for (let round = 0; round < 4; round += 1) {
      for (let i = 0; i < 120; i += 1) {
        const size = Math.floor(2 ** (15 * r.uniform()))
        const bytes = new Uint8Array(size).fill(i + 1)
        held.push({ pointer: border.bring(bytes), bytes })
        if (i % 3 !== 0) continue
        const [gone] = held.splice(Math.floor(r.uniform() * held.length), 1)
        expect(Buffer.from(border.bytes(gone.pointer, gone.bytes.length)).equals(gone.bytes)).toBe(true)
        border.call((exports) => exports.give(gone.pointer))
      }
      for (const { pointer, bytes } of held.splice(0)) {
        expect(pointer % 64).toBe(0)
        expect(Buffer.from(border.bytes(pointer, bytes.length)).equals(bytes)).toBe(true)
        border.call((exports) => exports.give(pointer))
      }
      if (round === 1) grownTo = memory.buffer.byteLength
    }
    // What was given back serves again.
    expect(memory.buffer.byteLength).toBeLessThanOrEqual(grownTo * 1.25)
  })

  it('says what there is no memory for, and goes on', () => {
    const border = openOwn()
    expect(() => border.call((exports) => exports.take(2 ** 32 - 2 ** 17))).toThrow(
      /^out of memory: 4095 MiB for numbers$/,
    )
    expect(() => border.call((exports) => exports.take(2 ** 40))).toThrow(/^out of memory/)
    expect(border.bring(new Uint8Array(10))).toBeGreaterThan(0)
  })
})

describe('threads', () => {
  const rows = 64
  const [width, outputs] = [96, 200]
  const values = (count: number, seed: number) => Float32Array.from(random(seed).normal(count))

  /** x Wᵀ, with work for several threads. */
  const product = (engine: Engine): Promise<Float32Array> =>
    multiplied(engine, values(rows * width, 1), values(outputs * width, 2), { rows, width, outputs })

  it('compute the same bits, however many come, and none at all', async () => {
    const engines = [
      engineOfModule(shared, 2),
      engineOfModule(shared, 2),
      engineOfModule(own, 1),
      engineOfModule(shared, 1),
    ]
    // The second one has time to start its threads.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const found = await Promise.all(engines.map(product))
    for (const values of found) expect(values).toEqual(found[0])
    for (const engine of engines) engine.close()
  })

  it('leave timers their turn', async () => {
    const engine = engineOfModule(shared, 1)
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 1)
    for (let i = 0; i < 20; i += 1) await product(engine)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(2)
    engine.close()
  })
})
