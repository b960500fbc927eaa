import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  cacheEntry,
  cacheFolder,
  createExampleStore,
  fileContents,
  type Example,
  type ExampleStore,
} from '../../src/data/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-cache-'))
afterAll(() => rmSync(scratch, { recursive: true }))
let number = 0
const newFolder = (): string => join(scratch, String(number++))

/** Examples of several blocks: a block has 16,384 at most. */
const examples = Array.from({ length: 17_000 }, (_, i): Example => {
  const inputIds = Int32Array.of(i, i + 1, i + 2, i % 7).subarray(0, 1 + (i % 4))
  const spans = i % 3 === 0 ? [{ message: 1, start: 0, end: inputIds.length, status: 'proved' as const }] : []
  return {
    inputIds,
    mask: Uint8Array.from(inputIds, (id) => id % 2),
    spans,
    origin: { file: i < 16_500 ? 'a.jsonl' : 'b.parquet', ...(i < 16_500 ? { line: i + 1 } : { row: i }) },
  }
})

async function put(cache: string, key = 'key', meta: unknown = { rows: 3 }): Promise<string> {
  const entry = cacheEntry(cache, key)
  const maker = await entry.begin()
  const store = createExampleStore(maker.file('data'))
  for (const example of examples) store.add(example)
  await maker.save({ data: store.finish() }, meta)
  expectExamples(store)
  return entry.path
}

function expectExamples(store: ExampleStore | undefined): void {
  expect(store?.count).toBe(examples.length)
  expect(store?.tokens).toBe(examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0))
  expect(store?.statuses.proved).toBe(5667)
  for (const i of [0, 1, 16_383, 16_384, 16_500, 16_999, 3]) expect({ ...store?.get(i) }).toEqual(examples[i])
  expect([...(store?.lengths.slice(16_000, 17_000) ?? [])]).toEqual(
    examples.slice(16_000, 17_000).map(({ inputIds }) => inputIds.length),
  )
}

async function found(cache: string, key = 'key') {
  const there = await cacheEntry(cache, key).open()
  return typeof there === 'object' ? there : { damaged: there }
}

describe('an entry', () => {
  test('gives back what was put there', async () => {
    const cache = newFolder()
    expect(await found(cache)).toEqual({ damaged: undefined })
    await put(cache)
    const there = await found(cache)
    expect(there).toMatchObject({ meta: { rows: 3 } })
    if ('stores' in there) expectExamples(there.stores['data'])
    expect(await found(cache, 'other')).toEqual({ damaged: undefined })
  })

  const size = (file: string) => readFileSync(file).length
  test.each<[string, (path: string) => void]>([
    ['a byte of the tokens', (path) => flip(join(path, 'data'), 400_000)],
    ['the first byte', (path) => flip(join(path, 'data'), 0)],
    ['the last byte', (path) => flip(join(path, 'data'), size(join(path, 'data')) - 1)],
    ['a byte of what describes it', (path) => flip(join(path, 'entry.json'), 300)],
    ['the hash of that', (path) => flip(join(path, 'entry.json'), 3)],
    ['an end that is missing', (path) => truncateSync(join(path, 'data'), 300_000)],
    ['an end that was added', (path) => appendFileSync(join(path, 'data'), 'x')],
    ['a description that breaks off', (path) => truncateSync(join(path, 'entry.json'), 200)],
    ['no description', (path) => rmSync(join(path, 'entry.json'))],
    ['no tokens', (path) => rmSync(join(path, 'data'))],
  ])('is damaged by %s, and made again', async (_, damage) => {
    const cache = newFolder()
    damage(await put(cache))
    expect(await found(cache)).toEqual({ damaged: 'damaged' })
    expect(await found(cache)).toEqual({ damaged: undefined })
    await put(cache)
    expect(await found(cache)).toHaveProperty('stores')
    expect(readdirSync(join(cache, 'prepared'))).toEqual(['key'])
  })

  test('that two make at once is there once, and both can read theirs', async () => {
    const cache = newFolder()
    await Promise.all([put(cache), put(cache)])
    expect(await found(cache)).toHaveProperty('stores')
    expect(readdirSync(join(cache, 'prepared'))).toEqual(['key'])
  })

  test('that is not finished is not there, and leaves nothing behind when it is given up', async () => {
    const cache = newFolder()
    const maker = await cacheEntry(cache, 'key').begin()
    createExampleStore(maker.file('data')).add(examples[0])
    expect(await found(cache)).toEqual({ damaged: undefined })
    await maker.discard()
    expect(readdirSync(join(cache, 'prepared'))).toEqual([])
  })
})

describe('a cache', () => {
  test('loses what killed processes left, and what was not used for 30 days', async () => {
    const cache = newFolder()
    const old = await put(cache, 'old')
    const long = new Date(Date.now() - 31 * 24 * 3600e3)
    utimesSync(join(old, 'entry.json'), long, long)
    const host = hostname().replaceAll(/[^\w-]/g, '_')
    const gone = join(cache, 'prepared', `.${host}.4194304.x.tmp`)
    const alive = join(cache, 'prepared', `.${host}.${process.ppid}.x.tmp`)
    for (const folder of [gone, alive]) mkdirSync(folder)
    await put(cache, 'new')
    expect([old, gone, alive].map(existsSync)).toEqual([false, false, true])
  })

  test.each([
    ['/given', { FETTLE_CACHE: '/named' }, '/given'],
    [undefined, { FETTLE_CACHE: '/named', XDG_CACHE_HOME: '/xdg' }, '/named'],
    [undefined, { FETTLE_CACHE: 'off' }, undefined],
    [undefined, { XDG_CACHE_HOME: '/xdg' }, '/xdg/fettle'],
    [undefined, { XDG_CACHE_HOME: 'relative' }, expect.stringMatching(/\/\.cache\/fettle$/)],
  ])('of option %s and %o is %s', (option, environment, expected) => {
    expect(cacheFolder(option, environment)).toEqual(expected)
  })
})

test('the hash of a large file is remembered until the file changes, whatever its times say', async () => {
  const cache = newFolder()
  const path = join(scratch, 'large.jsonl')
  const bytes = Buffer.alloc(64 << 20, 'a\n')
  writeFileSync(path, bytes)
  const time = new Date(Date.now() - 3600e3)
  utimesSync(path, time, time)
  const [first] = await fileContents([path], cache)
  // It was changed too short a time ago to be remembered.
  expect(existsSync(join(cache, 'files'))).toBe(false)
  const file = openSync(path, 'r+')
  writeSync(file, 'b', 5)
  utimesSync(path, time, time)
  const [second] = await fileContents([path], cache)
  expect(second.hash).not.toBe(first.hash)
  expect(second.hash).toMatch(/^[0-9a-f]{64}$/)
})

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] ^= 4
  writeFileSync(path, bytes)
}
