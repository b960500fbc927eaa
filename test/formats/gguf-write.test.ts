import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import {
  dequantize,
  quantize,
  readGguf,
  readTensorBytes,
  writeGguf,
  type GgufEntry,
  type WrittenGgufType,
} from '../../src/formats/index.ts'

/** ggml's own blocks: test/fixtures/export/record_blocks.py. */
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'fixtures', 'export', 'blocks.json'), 'utf8'),
) as Record<WrittenGgufType | 'values', string>

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
const values = new Float32Array(bytesOf(golden.values).buffer)

it.each(['Q8_0', 'Q4_0', 'Q5_0', 'Q5_1', 'Q4_K', 'Q5_K', 'Q6_K'] as const)(
  '%s: the bytes of ggml',
  (type) => {
    expect(Buffer.from(quantize(values, type)).equals(bytesOf(golden[type]))).toBe(true)
  },
)

test('numbers of 16 and 32 bits', () => {
  const some = Float32Array.of(1, -2.5, 65504, 0.1, -0)
  expect(dequantize(quantize(some, 'F32'), 'F32')).toEqual(some)
  expect(dequantize(quantize(some, 'F16'), 'F16')).toEqual(
    Float32Array.of(1, -2.5, 65504, 0.0999755859375, -0),
  )
  expect(dequantize(quantize(some, 'BF16'), 'BF16')).toEqual(
    Float32Array.of(1, -2.5, 65536, 0.10009765625, -0),
  )
})

test('what is written is read again', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'fettle-gguf-')), 'some.gguf')
  const entries: Record<string, GgufEntry> = {
    'general.architecture': { type: 'string', value: 'llama' },
    text: { type: 'string', value: 'ünï – 🙂' },
    byte: { type: 'u8', value: 255 },
    small: { type: 'i8', value: -100 },
    word: { type: 'u16', value: 60_000 },
    short: { type: 'i16', value: -30_000 },
    whole: { type: 'u32', value: 4_000_000_000 },
    integer: { type: 'i32', value: -5 },
    real: { type: 'f32', value: 0.5 },
    precise: { type: 'f64', value: 0.1 },
    large: { type: 'u64', value: 12_345_678_901_234_567_890n },
    negative: { type: 'i64', value: -7 },
    yes: { type: 'bool', value: true },
    texts: { type: 'list', of: 'string', value: Array.from({ length: 9000 }, (_, i) => `token ${i}`) },
    flags: { type: 'list', of: 'bool', value: [true, false] },
    none: { type: 'list', of: 'i32', value: [] },
  }
  const matrix = quantize(values.subarray(0, 512), 'Q8_0')
  await writeGguf(path, new Map(Object.entries(entries)), [
    {
      name: 'odd',
      type: 'F32',
      shape: [3],
      async *data() {
        yield quantize(Float32Array.of(1, 2, 3), 'F32')
      },
    },
    {
      name: 'matrix',
      type: 'Q8_0',
      shape: [2, 256],
      async *data() {
        yield matrix.subarray(0, 272)
        yield matrix.subarray(272)
      },
    },
  ])
  const { metadata, tensors } = readGguf(path)
  expect(Object.fromEntries(metadata)).toEqual(
    Object.fromEntries(Object.entries(entries).map(([key, { value }]) => [key, value])),
  )
  expect([...tensors.values()].map(({ name, type, shape }) => [name, type, shape])).toEqual([
    ['odd', 'F32', [3]],
    ['matrix', 'Q8_0', [2, 256]],
  ])
  const read = tensors.get('matrix')
  if (!read) throw new Error('no matrix')
  expect(await readTensorBytes(read)).toEqual(matrix)
})

test('a tensor that has not the bytes of its shape leaves no file', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'fettle-gguf-')), 'short.gguf')
  const short = {
    name: 'short',
    type: 'F32' as const,
    shape: [4],
    async *data() {
      yield new Uint8Array(12)
    },
  }
  await expect(writeGguf(path, new Map(), [short])).rejects.toThrow('12 bytes; expected 16 for F32 [4]')
})
