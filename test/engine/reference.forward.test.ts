import { describe, expect, it } from 'vitest'
import { addProduct, byColumns, byRows } from '../../src/engine/reference/products/product.ts'
import { createReferenceEngine } from '../../src/engine/reference/index.ts'
import type { TensorData } from '../../src/engine/tensor.ts'
import { elementCount } from '../../src/engine/tensor.ts'
import type { Value } from './make-case.ts'
import { random } from './random.ts'
import type { AnyCase } from './run-case.ts'
import { allCases, runForward } from './run-case.ts'

const engine = createReferenceEngine()

describe('addProduct against three plain loops', () => {
  it.each([
    [1, 1, 1],
    [1, 9, 5],
    [3, 7, 4],
    [4, 4, 4],
    [5, 1, 3],
    [7, 6, 1],
    [9, 13, 11],
    [70, 5, 6],
    [131, 18, 7],
    [6, 5, 0],
  ])('%i × %i, depth %i', (M, N, K) => {
    const r = random(M + N + K)
    const [a, b, start] = [r.normal(M * K), r.normal(N * K), r.normal(M * N)]
    const transposed = (x: Float32Array, rows: number, columns: number) =>
      x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)])
    const expected = start.map((value, at) => {
      let sum = 0
      for (let d = 0; d < K; d += 1) sum += a[Math.floor(at / N) * K + d] * b[(at % N) * K + d]
      return value + 0.5 * sum
    })
    for (const left of [byRows(a, K), byColumns(transposed(a, M, K), M)]) {
      for (const right of [byRows(b, K), byColumns(transposed(b, N, K), N)]) {
        const c = start.slice()
        addProduct({ data: c, stride: N }, [M, N, K], left, right, 0.5)
        expectClose(c, expected)
      }
    }
  })
})

describe('attention', () => {
  for (const testCase of allCases.filter(({ op, large }) => op === 'attention' && !large)) {
    it(`${testCase.name}: the softmax of a whole masked matrix`, async () => {
      const { queryHeads, keyHeads, headDim, scale, cap, window } = testCase.attributes as Record<
        string,
        number
      >
      const qkv = dataOf(testCase, 'qkv')
      const starts = dataOf(testCase, 'starts')
      const sinks = testCase.inputs['sinks'] && dataOf(testCase, 'sinks')
      const M = starts.length
      const columns = qkv.length / M
      const at = (token: number, head: number, d: number) => qkv[token * columns + head * headDim + d]
      const o = new Float64Array(M * queryHeads * headDim)
      for (let head = 0; head < queryHeads; head += 1) {
        const group = queryHeads + Math.floor((head * keyHeads) / queryHeads)
        for (let i = 0; i < M; i += 1) {
          const weights = Array.from({ length: M }, (_, j) => {
            const visible = j <= i && starts[j] === starts[i] && (window === 0 || i - j < window)
            let score = 0
            for (let d = 0; d < headDim; d += 1) score += at(i, head, d) * at(j, group, d)
            const capped = cap === 0 ? scale * score : cap * Math.tanh((scale * score) / cap)
            return visible ? Math.exp(capped) : 0
          })
          const sum = weights.reduce((total, weight) => total + weight, sinks ? Math.exp(sinks[head]) : 0)
          for (let d = 0; d < headDim; d += 1)
            o[(i * queryHeads + head) * headDim + d] = weights.reduce(
              (total, weight, j) => total + (weight / sum) * at(j, group + keyHeads, d),
              0,
            )
        }
      }
      const outputs = await runForward(engine, testCase, 'float32')
      expectClose(outputs.get('o'), o)
    })
  }

  it('with a cache is attention, when the cache begins empty', async () => {
    const heads = { headDim: 4, queryHeads: 4, keyHeads: 2, scale: 0.5, cap: 2, window: 3 }
    const sinks = floats([4], [0.5, -1, 2, 0])
    const qkv = floats([6, 32], random(1).normal(6 * 32))
    const cache = floats([1, 8, 8], new Float32Array(64))
    const whole = await run(
      'attention',
      { qkv, starts: ints([0, 0, 0, 0, 0, 0]), sinks },
      { o: [6, 16] },
      heads,
    )
    const cached = await run(
      'cachedAttention',
      {
        qkv,
        slots: ints([0, 0, 0, 0, 0, 0]),
        positions: ints([0, 1, 2, 3, 4, 5]),
        keyCache: cache,
        valueCache: cache,
        sinks,
      },
      { o: [6, 16] },
      heads,
    )
    expectClose(cached.get('o'), whole.get('o') ?? [])
    expect(cached.get('keyCache')?.slice(0, 8)).toEqual(qkv.data.slice(16, 24))
    expect(cached.get('valueCache')?.slice(8, 16)).toEqual(qkv.data.slice(32 + 24, 32 + 32))
  })
})

describe('copySlots', () => {
  it('copies so many positions of one slot over those of another', async () => {
    const cache = floats(
      [3, 2, 2],
      Float32Array.from({ length: 12 }, (_, i) => i),
    )
    const inputs = { sources: ints([0, 0]), slots: ints([2, 1]), counts: ints([2, 1]), cache }
    const copied = await run('copySlots', inputs, {}, {})
    expect(copied.get('cache')).toEqual(Float32Array.of(0, 1, 2, 3, 0, 1, 6, 7, 0, 1, 2, 3))
  })
})

describe('linear', () => {
  it('with LoRA is linear with the merged weight W + scaling · B A', async () => {
    const [M, K, N] = [5, 6, 7]
    const r = random(5)
    const [x, weight, A, B] = [r.normal(M * K), r.normal(N * K), r.normal(3 * K), r.normal(N * 2)]
    // Columns 0 to 3 have rank 2, columns 4 to 6 rank 1: A's rows 0 and 1, and row 2.
    const merged = weight.map((w, i) => {
      const [n, k] = [Math.floor(i / K), i % K]
      if (n < 4) return w + 0.5 * (B[n * 2] * A[k] + B[n * 2 + 1] * A[K + k])
      return w + 3 * B[n * 2] * A[2 * K + k]
    })
    const shared = { x: floats([M, K], x), bias: null, residual: null }
    const attributes = {
      float32Output: 1,
      dropout: 0,
      seed: 1,
      int8Activations: 0,
      segments: [4, 2, 0.5, 3, 1, 3],
    }
    const lora = { weight: floats([N, K], weight), loraA: floats([3, K], A), loraB: floats([N, 2], B) }
    const plain = { weight: floats([N, K], merged), loraA: null, loraB: null }
    const adapted = await run('linear', { ...shared, ...lora }, { y: [M, N], t: [M, 3] }, attributes)
    const expected = await run('linear', { ...shared, ...plain }, { y: [M, N], t: null }, attributes)
    expectClose(adapted.get('y'), expected.get('y') ?? [])
  })

  it('adds bias and residual', async () => {
    const inputs = {
      x: floats([1, 2], [1, 2]),
      weight: floats([2, 2], [1, 0, 3, 4]),
      loraA: null,
      loraB: null,
      bias: floats([2], [10, 20]),
      residual: floats([1, 2], [100, 200]),
    }
    const attributes = { float32Output: 1, dropout: 0, seed: 0, int8Activations: 0, segments: [2, 0, 1] }
    const outputs = await run('linear', inputs, { y: [1, 2], t: null }, attributes)
    expectClose(outputs.get('y'), [111, 231])
  })
})

describe('values worked out by hand', () => {
  it('embedding and selectRows pick rows', async () => {
    const table = floats([3, 2], [1, 2, 3, 4, 5, 6])
    const rows = await run('embedding', { ids: ints([2, 0]), table }, { y: [2, 2] }, { scale: 2 })
    expectClose(rows.get('y'), [10, 12, 2, 4])
    const selected = await run('selectRows', { x: table, rows: ints([1]) }, { y: [1, 2] }, {})
    expectClose(selected.get('y'), [3, 4])
  })

  it('rmsNorm divides by the root mean square', async () => {
    const inputs = { x: floats([1, 2], [3, 4]), gain: floats([2], [1, 2]) }
    const outputs = await run('rmsNorm', inputs, { y: [1, 2], rstd: [1] }, { eps: 0, fromOutput: 0 })
    expectClose(outputs.get('y'), [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)])
    expectClose(outputs.get('rstd'), [1 / Math.sqrt(12.5)])
  })

  it('rope turns pairs by an angle', async () => {
    const angle = floats([2, 1], [0, Math.PI / 6])
    const inputs = {
      qkv: floats([2, 3], [1, 2, 3, 1, 2, 3]),
      positions: ints([0, 1]),
      cos: { ...angle, data: angle.data.map(Math.cos) },
      sin: { ...angle, data: angle.data.map(Math.sin) },
    }
    const outputs = await run(
      'rope',
      inputs,
      { y: [2, 3] },
      { headDim: 2, rotaryDim: 2, firstHead: 0, heads: 1 },
    )
    const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)]
    expectClose(outputs.get('y'), [1, 2, 3, c - 2 * s, 2 * c + s, 3])
  })

  it('glu is silu(gate) · up', async () => {
    const outputs = await run(
      'glu',
      { gateUp: floats([1, 4], [1, -2, 2, 3]) },
      { y: [1, 2] },
      { activation: 0 },
    )
    expectClose(outputs.get('y'), [2 / (1 + Math.exp(-1)), -6 / (1 + Math.exp(2))])
  })

  it('targetLogProbs of equal logits is −log V', async () => {
    const inputs = {
      hidden: floats([1, 2], [1, 1]),
      weight: floats([3, 2], [1, 2, 2, 1, 3, 0]),
      targets: ints([1]),
      weights: floats([1], [0.5]),
    }
    const outputs = await run(
      'targetLogProbs',
      inputs,
      { logProbs: [1], lse: [1], dHidden: [1, 2] },
      { scale: 1, cap: 0 },
    )
    expectClose(outputs.get('logProbs'), [-Math.log(3)])
    expectClose(outputs.get('lse'), [3 + Math.log(3)])
    // Half of the mean of the rows of W less the target's row, [2, 1] − [2, 1].
    expectClose(outputs.get('dHidden'), [0, 0])
  })

  it('argmax takes the first of equals', async () => {
    const outputs = await run('argmax', { x: floats([2, 3], [1, 5, 5, -2, -3, -1]) }, { y: [2] }, {})
    expect(outputs.get('y')).toEqual(Int32Array.of(1, 2))
  })

  it('gradNorm gives norm and clip', async () => {
    const gradients = floats([2], [3, 4])
    const clipped = await run('gradNorm', { gradients }, { stats: [2] }, { maxNorm: 1 })
    expectClose(clipped.get('stats'), [5, 0.2])
    const free = await run('gradNorm', { gradients }, { stats: [2] }, { maxNorm: 0 })
    expectClose(free.get('stats'), [5, 1])
  })

  it('adamw moves by the learning rate on its first step', async () => {
    const zero = floats([2], [0, 0])
    const inputs = {
      parameters: floats([2], [1, 1]),
      gradients: floats([2], [0.5, -2]),
      m: zero,
      v: zero,
      stats: floats([2], [0, 1]),
      hyper: floats([7], [0.1, 0.9, 0.999, 1e-8, 0.1, 1 - 0.9, 1 - 0.999]),
    }
    const outputs = await run('adamw', inputs, {}, {})
    expectClose(outputs.get('parameters'), [0.89, 1.09])
    expectClose(outputs.get('m'), [0.05, -0.2])
    expectClose(outputs.get('v'), [0.00025, 0.004])
  })
})

function floats(shape: number[], data: ArrayLike<number>): Value & { data: Float32Array } {
  return { role: 'float32', shape, data: Float32Array.from(data) }
}

function ints(data: number[]): Value {
  return { role: 'int32', shape: [data.length], data: Int32Array.from(data) }
}

function run(
  op: AnyCase['op'],
  inputs: AnyCase['inputs'],
  shapes: Record<string, number[] | null>,
  attributes: object,
) {
  const role = op === 'argmax' ? 'int32' : 'float32'
  const outputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, shape && ({ role, shape } as const)]),
  )
  return runForward(engine, { op, name: op, inputs, outputs, attributes }, 'float32')
}

function dataOf(testCase: AnyCase, name: string): TensorData {
  const value = testCase.inputs[name]
  if (!value || value.data.length !== elementCount(value.shape)) throw new Error(`no input ${name}`)
  return value.data
}

function expectClose(found: ArrayLike<number> | undefined, expected: ArrayLike<number>): void {
  expect(found?.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i += 1)
    expect(Math.abs((found?.[i] ?? NaN) - expected[i])).toBeLessThan(2e-5 * (1 + Math.abs(expected[i])))
}
