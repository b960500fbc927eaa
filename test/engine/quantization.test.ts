import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { quantizations, quantize, roundThrough } from '../../src/engine/quantization.ts'
import { readTensors } from '../model/golden.ts'
import { engines } from './engines.ts'

const golden = await readTensors(
  join(import.meta.dirname, '..', 'fixtures', 'quantization', 'rounding.safetensors'),
)
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
    const held = engine.weight('float32', columns, [{ data: weight, dtype: 'F32', rows }], type)
    expect(unsigned(await engine.read(held))).toEqual(values)
    if (columns % 64 !== 0) return
    const matrix = engine.tensor('float32', [rows, columns], weight)
    expect(unsigned(await engine.read(engine.quantized(matrix, type)))).toEqual(values)
  })
})
