import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import {
  openWeightFiles,
  readSafetensorsHeader,
  readTensorBytes,
  toFloat32,
  writeAtomically,
  writeFileAtomic,
  writeSafetensors,
} from '../../src/formats/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-safetensors-'))
const fixture = new URL('../fixtures/gguf/basic.safetensors', import.meta.url).pathname

test('writing what was read gives the same bytes as the safetensors library', async () => {
  const { tensors, metadata } = await readSafetensorsHeader(fixture)
  const copy = join(scratch, 'copy.safetensors')
  // Backwards, because the order must not depend on the caller.
  const reversed = [...tensors.values()].toReversed()
  await writeSafetensors(
    copy,
    reversed.map((info) => ({ ...info, data: () => readTensorBytes(info) })),
    metadata,
  )
  const expected = await readSafetensorsHeader(copy)
  expect([...expected.tensors].map(([name, { offset }]) => [name, offset])).toEqual(
    [...tensors].map(([name, { offset }]) => [name, offset - sizeOfHeader(fixture) + sizeOfHeader(copy)]),
  )
  expect(readFileSync(copy).subarray(sizeOfHeader(copy))).toEqual(
    readFileSync(fixture).subarray(sizeOfHeader(fixture)),
  )
})

test('a tensor in pieces is the same file', async () => {
  const values = Float32Array.from({ length: 10 }, (_, i) => i / 4)
  const tensor = { name: 'a', dtype: 'F32' as const, shape: [10] }
  const [whole, pieces] = ['whole', 'pieces'].map((name) => join(scratch, `${name}.safetensors`))
  await writeSafetensors(whole, [{ ...tensor, data: values }])
  const data = async function* () {
    for (const start of [0, 4, 8]) yield values.subarray(start, start + 4)
  }
  await writeSafetensors(pieces, [{ ...tensor, data }])
  expect(readFileSync(pieces)).toEqual(readFileSync(whole))
  await expect(writeSafetensors(pieces, [{ ...tensor, shape: [11], data }])).rejects.toThrow('44 for F32')
})

const sizeOfHeader = (path: string) => 8 + Number(readFileSync(path).readBigUInt64LE())

test('part of a tensor, into shared memory', async () => {
  const info = (await readSafetensorsHeader(fixture)).tensors.get('blk.0.f32.weight')
  if (info === undefined) throw new Error(fixture)
  const whole = await readTensorBytes(info)
  const shared = new Uint8Array(new SharedArrayBuffer(16))
  await readTensorBytes({ ...info, offset: info.offset + 8, byteLength: 16 }, shared)
  expect([...shared]).toEqual([...whole.subarray(8, 24)])
  const beyond = { ...info, offset: info.offset + 1e6 }
  await expect(readTensorBytes(beyond)).rejects.toThrow('the end of the file')
})

test('every dtype and odd shape comes back, widest first', async () => {
  const path = join(scratch, 'dtypes.safetensors')
  await writeSafetensors(
    path,
    [
      { name: 'byte', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
      { name: 'half', dtype: 'F16', shape: [1, 2], data: Uint16Array.of(0x3c00, 0xc000) },
      { name: 'brain', dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) },
      { name: 'scalar', dtype: 'F32', shape: [], data: Float32Array.of(0.1) },
      { name: 'empty', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
      { name: 'long', dtype: 'I64', shape: [1], data: BigInt64Array.of(-1n) },
    ],
    { format: 'pt', note: 'naïve' },
  )
  const { tensors, metadata } = await readSafetensorsHeader(path)
  expect(metadata).toEqual({ format: 'pt', note: 'naïve' })
  const inFile = [...tensors.values()].toSorted((a, b) => a.offset - b.offset).map(({ name }) => name)
  expect(inFile).toEqual(['long', 'empty', 'scalar', 'brain', 'half', 'byte'])
  const floats = async (name: string) => {
    const info = tensors.get(name)
    if (info === undefined) throw new Error(name)
    return [...toFloat32(await readTensorBytes(info), info.dtype)]
  }
  expect(await floats('half')).toEqual([1, -2])
  expect(await floats('brain')).toEqual([1, -2])
  expect(await floats('scalar')).toEqual([Math.fround(0.1)])
  expect(sizeOfHeader(path) % 8).toBe(0)
})

describe('bad files', () => {
  const file = (header: unknown, data: string | Buffer = '') => {
    const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(json.length))
    return Buffer.concat([length, json, Buffer.from(data)])
  }
  const tensor = (data_offsets: unknown, shape: unknown = [2], dtype: unknown = 'F32') => ({
    dtype,
    shape,
    data_offsets,
  })
  const eight = Buffer.alloc(8)
  it.each([
    ['empty', Buffer.alloc(0), 'at least the 8 bytes'],
    ['git-lfs pointer', Buffer.from('version https://git-lfs.github.com/spec/v1'), 'git lfs pull'],
    ['header too large', Buffer.from([255, 255, 255, 255, 255, 0, 0, 0]), 'a header of 1099511627775 bytes'],
    ['header cut', file('{"a": 1}').subarray(0, 12), 'in a file of 12'],
    ['header not JSON', file('{{}}'), 'not JSON'],
    ['header a list', file('[1]'), 'not a JSON object'],
    ['unknown dtype', file({ a: tensor([0, 8], [2], 'F13') }, eight), 'dtype "F13"'],
    ['negative shape', file({ a: tensor([0, 8], [-2]) }, eight), 'shape [-2]'],
    ['one offset', file({ a: tensor([0]) }, eight), 'data_offsets [0]'],
    ['size does not fit', file({ a: tensor([0, 4]) }, eight), '4 bytes; expected 8 for F32 [2]'],
    [
      'overlap',
      file({ a: tensor([0, 8]), b: tensor([4, 12]) }, Buffer.alloc(12)),
      'tensor b: data_offsets that begin at 4',
    ],
    [
      'hole',
      file({ a: tensor([0, 8]), b: tensor([12, 20]) }, Buffer.alloc(20)),
      'expected 8, where the tensor',
    ],
    ['data cut', file({ a: tensor([0, 8]) }, Buffer.alloc(7)), 'a file of'],
    ['data left over', file({ a: tensor([0, 8]) }, Buffer.alloc(9)), 'a file of'],
    // What the library of safetensors refuses, too.
    [
      'a tensor twice',
      file('{"a":1,"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
      'a key twice in its header',
    ],
    [
      'a key of a tensor twice',
      file('{"a":{"dtype":"U8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
      'a key twice',
    ],
    [
      'a key that is none',
      file({ a: { ...tensor([0, 0], [0]), more: [[[1]]] } }),
      'a key "more"; expected dtype, shape',
    ],
    [
      'half a surrogate pair',
      file('{"\\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
      'half a surrogate pair',
    ],
    ['metadata a list', file({ __metadata__: [] }), '__metadata__: []; expected texts by name'],
    ['no UTF-8', file('{"a"}').fill(0xff, 10, 11), 'not a JSON object in UTF-8'],
    ['a long name', file({ ['x'.repeat(1e5)]: 1 }), `tensor ${'x'.repeat(199)}…: no description`],
    ['metadata not strings', file({ __metadata__: { a: 1 } }), '__metadata__.a: number'],
  ])('%s', async (name, bytes, message) => {
    const path = join(scratch, `${name}.safetensors`)
    writeFileSync(path, bytes)
    await expect(readSafetensorsHeader(path)).rejects.toThrow(message)
    await expect(readSafetensorsHeader(path)).rejects.toThrow(path)
  })
})

describe('checkpoints', () => {
  const folder = join(scratch, 'sharded')
  const weights = (name: string) => [
    { name, dtype: 'F32' as const, shape: [1], data: Float32Array.of(name.length) },
  ]
  const index = (weight_map: unknown) =>
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }))

  test('single file, shards, and what can be wrong', async () => {
    mkdirSync(folder)
    await expect(openWeightFiles(folder)).rejects.toThrow('no weights')
    writeFileSync(join(folder, 'pytorch_model.bin'), '')
    await expect(openWeightFiles(folder)).rejects.toThrow('save_pretrained')
    await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), weights('first'))
    await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), weights('second'))
    const map = {
      first: 'model-00001-of-00002.safetensors',
      second: 'model-00002-of-00002.safetensors',
    }
    index(map)
    const tensors = await openWeightFiles(folder)
    expect([...tensors.keys()]).toEqual(['first', 'second'])
    index({ ...map, third: 'model-00003-of-00002.safetensors' })
    await expect(openWeightFiles(folder)).rejects.toThrow(
      'not in the folder: model-00003-of-00002.safetensors',
    )
    index({ ...map, third: map.second })
    await expect(openWeightFiles(folder)).rejects.toThrow('no tensor third')
    index({ ...map, third: '../other/model.safetensors' })
    await expect(openWeightFiles(folder)).rejects.toThrow('../other')
    await writeSafetensors(join(folder, 'model.safetensors'), weights('alone'))
    expect([...(await openWeightFiles(folder)).keys()]).toEqual(['alone'])
    await expect(openWeightFiles(join(scratch, 'none'))).rejects.toThrow('ENOENT')
  })
})

describe('a write that fails', () => {
  const folder = join(scratch, 'full')
  const path = join(folder, 'model.safetensors')

  test('leaves the old file whole and nothing beside it', async () => {
    await writeFileAtomic(path, 'old')
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    })
    const failure = writeAtomically(path, async (file) => {
      await file.write('half of the ne')
      throw full
    })
    await expect(failure).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(
        /model\.safetensors: cannot be written \(ENOSPC: no space left on device, write: [\d.,]+ [kMG]?B free\); what was there before is unchanged\. Free some space or choose another output folder\.$/,
      ),
    })
    expect(readdirSync(folder)).toEqual(['model.safetensors'])
    expect(readFileSync(path, 'utf8')).toBe('old')
  })

  test('tensor with the wrong number of bytes', async () => {
    await writeFileAtomic(path, 'old')
    const wrong = { name: 'a', dtype: 'F32' as const, shape: [2], data: () => Float32Array.of(1) }
    await expect(writeSafetensors(path, [wrong])).rejects.toThrow('tensor a: 4 bytes; expected 8 for F32 [2]')
    expect(readFileSync(path, 'utf8')).toBe('old')
  })

  // A real limit of the system, in a process of its own: the file may not grow beyond 64 KiB.
  test.skipIf(process.platform === 'win32')('when the system says so', async () => {
    await writeFileAtomic(path, 'old')
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', 'ulimit -f 64; exec "$0" "$1" "$2"', process.execPath, await compileWriter(), path],
      { encoding: 'utf8' },
    )
    expect(stderr).toBe('')
    expect(stdout).toContain('EFBIG')
    expect(readdirSync(folder)).toEqual(['model.safetensors'])
    expect(readFileSync(path, 'utf8')).toBe('old')
  })
})

/** A plain JavaScript program that writes 10 MB with fettle's own code: old Node cannot run TypeScript. */
async function compileWriter(): Promise<string> {
  const { default: typescript } = await import('typescript')
  const program = join(scratch, 'program')
  const files = ['atomic', 'folder', 'free-space', 'moving', 'odd-name', 'passing-name', 'unwritable']
  for (const name of [
    'error.ts',
    'byte-count.ts',
    'open-files.ts',
    'plural.ts',
    'formats/foreign/file-names.ts',
    ...files.map((file) => `formats/files/${file}.ts`),
  ]) {
    const source = readFileSync(new URL(`../../src/${name}`, import.meta.url), 'utf8')
    const { outputText } = typescript.transpileModule(source, {
      compilerOptions: { module: 99, target: 10, rewriteRelativeImportExtensions: true },
    })
    await writeFileAtomic(join(program, name.replace(/ts$/, 'js')), outputText)
  }
  await writeFileAtomic(join(program, 'package.json'), '{"type":"module"}')
  const main = `import { writeFileAtomic } from './formats/files/atomic.js'
    await writeFileAtomic(process.argv[2], Buffer.alloc(1e7)).catch((error) => console.log(error.message))`
  await writeFileAtomic(join(program, 'main.js'), main)
  return join(program, 'main.js')
}
