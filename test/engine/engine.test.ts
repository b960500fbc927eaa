import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { Command } from '../../src/engine/ops.ts'
import type { Tensor, WeightPart } from '../../src/engine/tensor.ts'
import { tensorHandle } from '../../src/engine/tensor.ts'
import { fileBytes } from '../../src/formats/byte-source.ts'
import { float32ToBfloat16, float32ToFloat16 } from '../../src/float16.ts'
import { engines } from './engines.ts'
import { random } from './random.ts'

const folder = mkdtempSync(join(tmpdir(), 'fettle-engine-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each(engines)('$name', ({ create }) => {
  const engine = create(2)

  it('keeps what is written to a tensor', async () => {
    const tensor = engine.tensor('float32', [2, 3])
    expect(await engine.read(tensor)).toEqual(new Float32Array(6))
    engine.write(tensor, Float32Array.of(1, 2, 3, 4))
    expect(await engine.read(tensor)).toEqual(Float32Array.of(1, 2, 3, 4, 0, 0))
    const whole = engine.tensor('int32', [3], Int32Array.of(-1, 2 ** 30, 7))
    expect(await engine.read(whole)).toEqual(Int32Array.of(-1, 2 ** 30, 7))
  })

  it('rounds to bfloat16, ties to even', async () => {
    const [ulp, half] = [2 ** -7, 2 ** -8]
    const values = Float32Array.of(1, 1 + half, 1 + ulp + half, 1 + half * 1.01, -3.14159, Infinity)
    const rounded = Float32Array.of(1, 1, 1 + 2 * ulp, 1 + ulp, -3.140625, Infinity)
    expect(await engine.read(engine.tensor('bfloat16', [6], values))).toEqual(rounded)
  })

  it('lets a view share the memory of its tensor', async () => {
    const tensor = engine.tensor('float32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))
    const view = engine.view(tensor, 2, [2, 2])
    expect(await engine.read(view)).toEqual(Float32Array.of(3, 4, 5, 6))
    engine.write(view, Float32Array.of(-3))
    expect(await engine.read(tensor)).toEqual(Float32Array.of(1, 2, -3, 4, 5, 6))
  })

  it('says so when a freed tensor is read', async () => {
    const tensor = engine.tensor('float32', [1])
    engine.free(tensor)
    await expect(async () => engine.read(tensor)).rejects.toThrow('freed')
  })

  describe('weights', () => {
    // Exact in all three types.
    const values = Float32Array.from({ length: 10 }, (_, i) => (i - 4) / 4)
    const encoded = {
      F32: new Uint8Array(values.buffer),
      F16: new Uint8Array(float32ToFloat16(values).buffer),
      BF16: new Uint8Array(float32ToBfloat16(values).buffer),
    }
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      for (const offset of [0, 8, 3]) {
        for (const target of ['float32', 'bfloat16'] as const) {
          it(`${dtype} at byte ${offset} of a file as ${target}`, async () => {
            const path = join(folder, `${dtype}-${offset}`)
            writeFileSync(path, Buffer.concat([Buffer.alloc(offset, 255), encoded[dtype], Buffer.alloc(3)]))
            const weight = await engine.weight(target, 5, [
              { source: fileBytes(path), offset, dtype, rows: 2 },
            ])
            expect(weight.shape).toEqual([2, 5])
            expect(await engine.read(weight)).toEqual(values)
          })
        }
      }
    }

    it('stacks blocks of rows from several places', async () => {
      const path = join(folder, 'stack')
      writeFileSync(path, encoded.BF16)
      const parts: WeightPart[] = [
        { source: fileBytes(path), offset: 10, dtype: 'BF16', rows: 1 },
        { data: float32ToFloat16(values), dtype: 'F16', rows: 2 },
        { data: values.slice(0, 5), dtype: 'F32', rows: 1 },
        { data: float32ToBfloat16(values.slice(5)), dtype: 'BF16', rows: 1 },
      ]
      const expected = [...values.slice(5), ...values, ...values.slice(0, 5), ...values.slice(5)]
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const weight = await engine.weight(dtype, 5, parts)
        expect(await engine.read(weight)).toEqual(Float32Array.from(expected))
        // Products read the blocks without joining them.
        const x = engine.tensor(dtype, [1, 5], Float32Array.of(1, 2, 0, 0, 1))
        const y = await run(engine, [linear(x, weight, transient([1, 5]))])
        const rows = [0, 1, 2, 3, 4].map((n) => expected.slice(5 * n, 5 * n + 5))
        expect(y).toEqual(Float32Array.from(rows, ([a, b, , , e]) => a + 2 * b + e))
      }
    })

    it('that stream leave memory after use, and come back', async () => {
      const [rows, columns] = [256, 1024]
      const path = join(folder, 'streamed')
      writeFileSync(path, random(6).normal(rows * columns))
      const part = { source: fileBytes(path), offset: 0, dtype: 'F32', rows } as const
      const weight = await engine.weight('float32', columns, [part])
      const y = transient([1, rows])
      const x = engine.tensor('float32', [1, columns], random(7).normal(columns))
      const program = engine.compile([linear(x, weight, y)], [y])
      const results: unknown[] = []
      for (const streamed of [[], [weight], [weight], []]) {
        engine.stream(streamed)
        const used = async (): Promise<number | undefined> => {
          await engine.run(program)
          return residentMib(path)
        }
        const isKept = streamed.length === 0
        let mib = await used()
        // The system, too, may take pages of a file back: not twice right after they were read.
        if (isKept && mib === 0) mib = await used()
        results.push(await engine.read(y))
        if (mib !== undefined && engine.name === 'native') expect(mib).toBe(isKept ? 1 : 0)
      }
      for (const result of results) expect(result).toEqual(results[0])
    })

    it('are read where there is no file to map', async () => {
      const file = encoded.BF16
      const read = async (offset: number, length: number) => file.slice(offset, offset + length)
      const parts = [
        { source: { read }, offset: 10, dtype: 'BF16', rows: 1 },
        { source: { read }, offset: 0, dtype: 'BF16', rows: 2 },
      ] as const
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const weight = await engine.weight(dtype, 5, parts)
        expect(await engine.read(weight)).toEqual(Float32Array.of(...values.slice(5), ...values))
      }
      const tooLong = { source: { read }, offset: 15, dtype: 'BF16', rows: 1 } as const
      await expect(engine.weight('float32', 5, [tooLong])).rejects.toThrow(/5 bytes, expected 10/)
    })

    it('of a missing file name it', async () => {
      const part = { source: fileBytes(join(folder, 'absent')), offset: 0, dtype: 'F32', rows: 1 } as const
      await expect(engine.weight('float32', 5, [part])).rejects.toThrow(/absent/)
    })

    it('of a file that ends early name it', async () => {
      const path = join(folder, 'short')
      writeFileSync(path, new Uint8Array(12))
      const part = { source: fileBytes(path), offset: 0, dtype: 'F32', rows: 1 } as const
      await expect(engine.weight('float32', 5, [part])).rejects.toThrow(/short/)
    })
  })

  it('runs a program again, with what was written in between', async () => {
    const x = engine.tensor('float32', [1, 2], Float32Array.of(1, 2))
    const weight = engine.tensor('float32', [1, 2], Float32Array.of(3, 4))
    const y = transient([1, 1])
    const program = engine.compile([linear(x, weight, y)], [y])
    await engine.run(program)
    expect(await engine.read(y)).toEqual(Float32Array.of(11))
    // A larger program in between, which moves the arena.
    const big = transient([100_000])
    await engine.run(engine.compile([fill(big)], [big]))
    engine.write(x, Float32Array.of(5))
    await engine.run(program)
    expect(await engine.read(y)).toEqual(Float32Array.of(23))
  })

  it('gives back what programs share, and takes it anew', async () => {
    const x = engine.tensor('float32', [1, 2], Float32Array.of(1, 2))
    const weight = engine.tensor('float32', [1, 2], Float32Array.of(3, 4))
    const y = transient([1, 1])
    const program = engine.compile([linear(x, weight, y)], [y])
    await engine.run(program)
    engine.release()
    await expect(async () => engine.read(y)).rejects.toThrow(/not an output|never computed/)
    await engine.run(program)
    expect(await engine.read(y)).toEqual(Float32Array.of(11))
  })

  it('leaves the main thread to timers', async () => {
    const [x, weight] = [engine.tensor('float32', [64, 512]), engine.tensor('float32', [512, 512])]
    const commands: Command[] = []
    let y = x
    for (let i = 0; i < 20; i += 1) {
      const next = transient([64, 512])
      commands.push(linear(y, weight, next))
      y = next
    }
    const program = engine.compile(commands, [y])
    let [ticks, longestMs, last] = [0, 0, performance.now()]
    const timer = setInterval(() => {
      const now = performance.now()
      longestMs = Math.max(longestMs, now - last)
      last = now
      ticks += 1
    }, 5)
    const startMs = performance.now()
    while (performance.now() - startMs < 200) await engine.run(program)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
    expect(longestMs).toBeLessThan(250)
  })

  describe('repeats a program', () => {
    const successors = [3, 0, 4, 1, 2]
    const table = Float32Array.from({ length: 25 }, (_, i) =>
      successors[Math.floor(i / 5)] === i % 5 ? 1 : 0,
    )
    /** best = the successor of each id. */
    const chain = (first: readonly number[]) => {
      const ids = engine.tensor('int32', [first.length], Int32Array.from(first))
      const counted = engine.tensor('int32', [2], Int32Array.of(7, -1))
      const y = transient([first.length, 5])
      const best = tensorHandle('transient', 'int32', [first.length])
      const weight = engine.tensor('float32', [5, 5], table)
      const commands: Command[] = [
        { op: 'embedding', direction: 'forward', inputs: [ids, weight], outputs: [y], attributes: [1] },
        { op: 'argmax', direction: 'forward', inputs: [y], outputs: [best], attributes: [] },
      ]
      return { program: engine.compile(commands, [best]), output: best, input: ids, counted }
    }

    it('each run beginning with what the one before made', async () => {
      const { program, ...feedback } = chain([0, 2])
      const seen: number[][] = []
      await engine.repeat(program, { times: 4, ...feedback }, (output) => seen.push([...output]) > 0)
      expect(seen).toEqual([
        [3, 4],
        [1, 2],
        [0, 4],
        [3, 2],
      ])
      expect(await engine.read(feedback.counted)).toEqual(Int32Array.of(11, 3))
    })

    it('until it is told to stop', async () => {
      const { program, ...feedback } = chain([0])
      const seen: number[] = []
      await engine.repeat(program, { times: 1000, ...feedback }, ([id]) => seen.push(id) < 3)
      expect(seen).toEqual([3, 1, 0])
      await engine.run(program)
    })

    it('until the caller fails', async () => {
      const { program, ...feedback } = chain([0])
      let calls = 0
      const failing = engine.repeat(program, { times: 1000, ...feedback }, () => {
        calls += 1
        throw new Error('the terminal is gone')
      })
      await expect(failing).rejects.toThrow('the terminal is gone')
      expect(calls).toBe(1)
      await engine.run(program)
    })
  })

  it.each([3, 16, 37, 300])(
    'has no largest of %i numbers of which one is NaN, or the largest infinite',
    async (width) => {
      const normal = random(5).normal(width)
      const withNumber = (at: number, number: number) => {
        const row = normal.slice()
        row[at] = number
        return [...row]
      }
      const rows = [
        withNumber(0, 9),
        withNumber(width - 1, 9),
        withNumber(0, -Infinity),
        ...[0, 1, width >> 1, width - 1].map((at) => withNumber(at, Number.NaN)),
        withNumber(width - 1, Infinity),
        Array.from(normal, () => Number.NaN),
        Array.from(normal, () => -Infinity),
      ]
      const best = tensorHandle('transient', 'int32', [rows.length])
      const x = engine.tensor('float32', [rows.length, width], Float32Array.from(rows.flat()))
      const program = engine.compile(
        [{ op: 'argmax', direction: 'forward', inputs: [x], outputs: [best], attributes: [] }],
        [best],
      )
      await engine.run(program)
      const third = rows[2].indexOf(Math.max(...rows[2]))
      expect([...(await engine.read(best))]).toEqual([0, width - 1, third, -1, -1, -1, -1, -1, -1, -1])
    },
  )

  it.each([5000, 300])('reads the largest of %i numbers of each row', async (width) => {
    const values = random(3).normal(4 * width)
    // The last row has nothing but NaN, the first some, and some numbers that are equal.
    values.fill(Number.NaN, 3 * width)
    for (let i = 0; i < width; i += 7) values[i] = i % 2 === 0 ? Number.NaN : 0.5
    const y = transient([4, width])
    const ids = engine.tensor('int32', [4], Int32Array.of(0, 1, 2, 3))
    const table = engine.tensor('float32', [4, width], values)
    const program = engine.compile(
      [{ op: 'embedding', direction: 'forward', inputs: [ids, table], outputs: [y], attributes: [1] }],
      [y],
    )
    await engine.run(program)
    const rows = await engine.readLargest(y, 20)
    expect(rows.map(({ ids: found }) => found.length > 0)).toEqual([true, true, true, false])
    rows.slice(0, 3).forEach(({ ids: found, values: largest }, row) => {
      const own = values.subarray(row * width, (row + 1) * width)
      const smallest =
        own
          .filter((value) => !Number.isNaN(value))
          .toSorted()
          .at(-20) ?? 0
      expect([...largest]).toEqual(Array.from(found, (id) => own[id]))
      expect([...found]).toEqual([...found].toSorted((a, b) => a - b))
      own.forEach((value, id) => {
        if (value >= smallest) expect(found).toContain(id)
      })
    })
  })

  it('counts the time of each op', async () => {
    engine.profile()
    const y = transient([100, 100])
    await engine.run(engine.compile([fill(y)], [y]))
    expect([...engine.profile().keys()]).toEqual(['fill'])
    expect(engine.profile().size).toBe(0)
  })
})

function transient(shape: number[]): Tensor {
  return tensorHandle('transient', 'float32', shape)
}

function fill(y: Tensor): Command {
  return { op: 'fill', direction: 'forward', inputs: [], outputs: [y], attributes: [1] }
}

/** y = x Wᵀ (+ residual), float32 out. */
function linear(x: Tensor, weight: Tensor, y: Tensor, residual: Tensor | null = null): Command {
  return {
    op: 'linear',
    direction: 'forward',
    inputs: [x, weight, null, residual, null, null],
    outputs: [y, null],
    attributes: [1, 0, 0, 0, 3, weight.shape[0], 0, 1],
  }
}

/** Runs a program of one output and reads it. */
async function run(engine: Engine, commands: Command[]): Promise<ArrayLike<number>> {
  const y = commands.at(-1)?.outputs[0]
  if (!y) throw new Error('no output')
  await engine.run(engine.compile(commands, [y]))
  return engine.read(y)
}

/** What of a file is mapped and in memory; undefined where the system does not tell, or the engine maps nothing. */
function residentMib(path: string): number | undefined {
  if (!existsSync('/proc/self/smaps')) return undefined
  const [, entry] = readFileSync('/proc/self/smaps', 'utf8').split(path)
  const kib = /^Rss: +(\d+) kB$/m.exec(entry ?? '')
  return kib ? Math.round(Number(kib[1]) / 1024) : undefined
}
