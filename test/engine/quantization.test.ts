import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { quantizations, quantize, roundThrough } from '../../src/engine/quantization.ts'
import { fileBytes } from '../../src/formats/byte-source.ts'
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../src/float16.ts'
import { readTensors } from '../model/golden.ts'
import { engines } from './engines.ts'
import { linear } from './op-cases.ts'
import { random } from './random.ts'
import { runForward, runVjp } from './run-case.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'quantization')
const golden = await readTensors(join(fixtures, 'rounding.safetensors'))
const products = await readTensors(join(fixtures, 'products.safetensors'))
const shapes = { 'whole blocks': [5, 192], 'blocks across rows': [6, 40], 'a row of zeros': [3, 64] } as const

/** Zeros without sign: FP4 has two, which are one number. */
const unsigned = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0)

const cases = Object.entries(shapes).flatMap(([name, [rows, columns]]) =>
  quantizations
    .filter((type) => golden.names.includes(`${name}.${type}.codes`))
    .map((type) => ({ name, rows, columns, type })),
)

describe.each(cases)('$type, $name, as bitsandbytes rounds', ({ name, rows, columns, type }) => {
  it('codes, scales and numbers', async () => {
    const weight = await golden.floats(`${name}.weight`)
    const { codes, scales } = quantize(weight, columns, type)
    expect([...scales]).toEqual([...(await golden.floats(`${name}.${type}.scales`))])
    const expected = (await golden.rows(`${name}.${type}.codes`)).flat()
    // +0 and −0 of FP4 are codes 0 and 8.
    const plain = (code: number) => (type === 'fp4' && code === 8 ? 0 : code)
    expect(Array.from(codes, plain)).toEqual(expected.map(plain))
    const values = await golden.floats(`${name}.${type}.values`)
    expect(unsigned(roundThrough(weight, columns, type))).toEqual(unsigned(values))
  })

  it.each(engines)('$name holds the same numbers', async ({ create }) => {
    const engine = create(2)
    const weight = await golden.floats(`${name}.weight`)
    const values = unsigned(await golden.floats(`${name}.${type}.values`))
    const held = await engine.weight('float32', columns, [{ data: weight, dtype: 'F32', rows }], type)
    expect(unsigned(await engine.read(held))).toEqual(values)
    if (columns % 64 !== 0) return
    const matrix = engine.tensor('float32', [rows, columns], weight)
    expect(unsigned(await engine.read(engine.quantized(matrix, type)))).toEqual(values)
  })
})

describe.each(engines)('$name', ({ create }) => {
  it('multiplies int8 weights with rounded activations as bitsandbytes and PyTorch do', async () => {
    const engine = create(2)
    const value = async (name: string, shape: readonly number[]) => ({
      role: 'float32' as const,
      shape,
      data: await products.floats(name),
    })
    const shape = { M: 24, K: 320, N: 192, segments: [[144, 0, 1] as const, [48, 0, 1] as const] }
    const plain = linear('', { ...shape, int8Activations: 1, form: 'int8' })
    const inputs = {
      ...plain.inputs,
      x: await value('x', [24, 320]),
      weight: { ...(await value('weight', [192, 320])), form: 'int8' as const },
    }
    const testCase = { ...plain, op: 'linear' as const, inputs }
    const forward = await runForward(engine, testCase, 'float32')
    expectClose(forward.get('y'), await products.floats('y'))
    const given = new Map([['y', await products.floats('dy')]])
    const found = await runVjp(engine, testCase, 'float32', { forward, given, wanted: ['x'] })
    expectClose(found.get('x'), await products.floats('dx'))
  })
})

/** Every value within 1e-6 of the largest: the sums are of the same integers. */
function expectClose(found: ArrayLike<number> | undefined, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeGreaterThan(0)
  expect(found?.length).toBe(expected.length)
  expected.forEach((value, i) => expect(Math.abs((found?.[i] ?? NaN) - value)).toBeLessThan(1e-6 * largest))
}

describe.each(engines)('bfloat12 in $name', ({ create }) => {
  const columns = 100
  /** Rows that each have something that its codes have no room for. */
  const hard = () => {
    const values = random(7).normal(columns * 9, 0.05)
    values[3] = 1e-20
    values[columns + 5] = -0
    values[columns + 6] = 9.2e-41 // subnormal
    values.fill(0, 2 * columns, 3 * columns)
    values[3 * columns + 7] = 3e38 // leaves no fields for the others
    values[4 * columns + 8] = -Infinity
    values[5 * columns + 9] = 1.2e-38
    for (let i = 0; i < columns; i += 1) values[6 * columns + i] = 2 ** -(i % 17)
    return values
  }
  const asStored = (values: Float32Array) => bfloat16ToFloat32(float32ToBfloat16(values))

  it('holds every bfloat16 number', async () => {
    const engine = create(2)
    const held = await engine.weight(
      'bfloat16',
      columns,
      [{ data: hard(), dtype: 'F32', rows: 9 }],
      'bfloat12',
    )
    expect(await engine.read(held)).toEqual(asStored(hard()))
    const matrix = engine.tensor('bfloat16', [9, columns], hard())
    expect(await engine.read(engine.quantized(matrix, 'bfloat12'))).toEqual(asStored(hard()))
  })

  it('holds numbers that do not fit it as bfloat16', async () => {
    const values = Float32Array.from({ length: 64 * columns }, (_, i) => 2 ** -(i % 120))
    const engine = create(2)
    const held = await engine.weight(
      'bfloat16',
      columns,
      [{ data: values, dtype: 'F32', rows: 64 }],
      'bfloat12',
    )
    expect(await engine.read(held)).toEqual(values)
  })

  it('copies a matrix of which only a part lies in a file, though another part does not fit', async () => {
    const fits = random(8).normal(64 * columns, 0.05)
    const path = join(mkdtempSync(join(tmpdir(), 'fettle-')), 'weights')
    const wide = Float32Array.from({ length: 64 * columns }, (_, i) => 2 ** -(i % 120))
    writeFileSync(path, float32ToBfloat16(wide))
    const engine = create(2)
    const matrix = await engine.weight('bfloat16', columns, [
      { data: fits, dtype: 'F32', rows: 64 },
      { source: fileBytes(path), offset: 0, dtype: 'BF16', rows: 64 },
    ])
    const expected = [...asStored(fits), ...wide]
    expect([...(await engine.read(engine.quantized(matrix, 'bfloat12')))]).toEqual(expected)
    expect([...(await engine.read(matrix))]).toEqual(expected)
  })

  it.each([1, 3, 16, 50])('multiplies what it has no codes for, %i tokens', async (M) => {
    const engine = create(2)
    const values = hard().fill(1e-30, 4 * columns, 5 * columns)
    values[3 * columns + 7] = 1e4
    const data = asStored(values)
    const plain = linear('', { M, K: columns, N: 9, form: 'bfloat12' })
    const weight = { role: 'act' as const, shape: [9, columns], data }
    const given = (form: 'bfloat12' | undefined) => ({
      ...plain,
      op: 'linear' as const,
      inputs: { ...plain.inputs, weight: { ...weight, ...(form && { form }) } },
    })
    const act = engine.name === 'reference' ? 'float32' : 'bfloat16'
    const expected = (await runForward(engine, given(undefined), act)).get('y') as Float32Array
    const found = (await runForward(engine, given('bfloat12'), act)).get('y') as Float32Array
    // Sums in another order, rounded to bfloat16.
    expected.forEach((value, i) =>
      expect(Math.abs(found[i] - value)).toBeLessThan(0.01 * Math.abs(value) + 1e-3),
    )
  })
})
