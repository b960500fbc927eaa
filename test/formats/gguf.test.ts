import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import {
  dequantize,
  readGguf,
  readGgufFloat32,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  type GgufValue,
} from '../../src/formats/index.ts'

const folder = new URL('../fixtures/gguf/', import.meta.url).pathname

interface Golden {
  metadata: Record<string, { type: string; value: unknown }>
  tensors: Record<string, { type: string; shape: number[] }>
}

/** Known by name and size, but not turned into numbers. */
const unreadable = /^(IQ[123]|TQ)/

const readGolden = (name: string) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Golden

/** The fixtures write 64-bit integers as strings, and float32 as Python prints it. */
function plain(value: GgufValue): unknown {
  if (typeof value === 'bigint') return String(value)
  return Array.isArray(value) ? value.map(plain) : value
}

describe.each(['basic', 'kquants', 'iquants', 'ternary-mx'])('%s.gguf', (name) => {
  const golden = readGolden(name)
  const file = readGguf(join(folder, `${name}.gguf`))

  it.each(Object.entries(golden.metadata))('metadata %s', (key, { type, value }) => {
    const found = plain(file.metadata.get(key) ?? 'missing')
    if (type === 'FLOAT32') expect(found).toBeCloseTo(Number(value), 6)
    else if (type.endsWith('64') && type !== 'FLOAT64') expect(String(found)).toBe(value)
    else if (key === 'fixture.floats')
      expect(found).toEqual((value as number[]).map((number) => expect.closeTo(number, 6)))
    else expect(found).toEqual(value)
  })

  it.each(Object.entries(golden.tensors))('tensor %s', async (key, { type, shape }) => {
    const tensor = file.tensors.get(key)
    const { tensors } = await readSafetensorsHeader(join(folder, `${name}.safetensors`))
    const info = tensors.get(key)
    if (tensor === undefined || info === undefined) throw new Error(key)
    expect([tensor.type, tensor.shape]).toEqual([type, shape])
    if (unreadable.test(type))
      return expect(readGgufFloat32(tensor)).rejects.toThrow(`type ${type}; expected`)
    const expected = toFloat32(await readTensorBytes(info), info.dtype)
    const values = await readGgufFloat32(tensor)
    expect(values.length).toBe(expected.length)
    let worst = 0
    for (let i = 0; i < values.length; i++)
      worst = Math.max(worst, Math.abs(values[i] - expected[i]) / Math.max(Math.abs(expected[i]), 1e-20))
    expect(worst).toBeLessThan(1e-6)
  })
})

test('Q8_K, which the gguf package cannot write: d · x', () => {
  const bytes = new Uint8Array(292)
  new DataView(bytes.buffer).setFloat32(0, 0.5, true)
  bytes.set([1, 255, 128], 4)
  expect([...dequantize(bytes, 'Q8_K').subarray(0, 4)]).toEqual([0.5, -0.5, -64, 0])
})

describe('bad files', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'fettle-gguf-'))
  const good = readFileSync(join(folder, 'basic.gguf'))
  const patched = (offset: number, bytes: number[]) => {
    const copy = Buffer.from(good)
    copy.set(bytes, offset)
    return copy
  }
  it.each([
    ['empty', Buffer.alloc(0), 'the end of the file at 0 bytes'],
    ['not GGUF', Buffer.from('version https://git-lfs'), 'git lfs pull'],
    ['version 1', patched(4, [1, 0, 0, 0]), 'GGUF version 1'],
    ['big-endian', patched(4, [0, 0, 0, 3]), 'big-endian'],
    ['absurd tensor count', patched(8, [255, 255, 255, 255, 255, 255, 255, 127]), 'as number of tensors'],
    ['absurd key length', patched(24, [255, 255, 255, 255]), 'as length of a metadata key'],
    ['cut in the header', good.subarray(0, 300), 'inside its header'],
    ['cut in the data', good.subarray(0, good.length - 64), 'incomplete'],
  ])('%s', (name, bytes, message) => {
    const path = join(scratch, `${name}.gguf`)
    writeFileSync(path, bytes)
    expect(() => readGguf(path)).toThrow(message)
    expect(() => readGguf(path)).toThrow(path)
  })

  test('missing', () => {
    expect(() => readGguf(join(scratch, 'none.gguf'))).toThrow('ENOENT')
  })

  test('a type that cannot be read is named', () => {
    expect(() => dequantize(new Uint8Array(54), 'TQ1_0')).toThrow('type TQ1_0; expected F32, F16')
  })
})
