import { mkdtempSync, readFileSync, truncateSync, writeFileSync, copyFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { readRows, type DataSource } from '../../src/data/index.ts'
import { formatOrigin } from '../../src/data/row.ts'
import { parseJson } from '../../src/formats/index.ts'

/** Written by record.py there with pyarrow, pandas and datasets. */
const folder = join(import.meta.dirname, '..', 'fixtures', 'tables')
const golden = parseJson(readFileSync(join(folder, 'rows.json'), 'utf8'), 'rows.json') as Record<
  string,
  object[]
>
const scratch = mkdtempSync(join(tmpdir(), 'fettle-tables-'))

async function rowsOf(source: DataSource): Promise<{ value: object; place: string }[]> {
  const rows = []
  for await (const { value, origin } of readRows(source)) rows.push({ value, place: formatOrigin(origin) })
  return rows
}
const valuesOf = async (path: string) => (await rowsOf({ path })).map(({ value }) => value)

/** A file with a text of our own. */
function fileOf(name: string, text: string | Uint8Array): string {
  const path = join(scratch, name)
  writeFileSync(path, text)
  return path
}

it.each(Object.keys(golden))('%s holds what Python wrote', async (name) => {
  expect(await valuesOf(join(folder, name))).toEqual(golden[name])
})

test('rows of tables of texts stand where they begin', async () => {
  const places = (await rowsOf({ path: join(folder, 'comma.csv') })).map(({ place }) => place)
  expect(places.map((place) => Number(/:(\d+)$/.exec(place)?.[1]))).toEqual([2, 3, 4, 7, 8])
})

test('columns that hold lists are JSON in a table of texts, and texts that look like it are texts', async () => {
  const path = fileOf(
    'chats.csv',
    'chat,output\n"[{""role"": ""user"", ""content"": ""1.0""}]","{""a"": 1}"\n,"[1]"\n',
  )
  expect((await rowsOf({ path, columns: { messages: 'chat' } })).map(({ value }) => value)).toEqual([
    { chat: [{ role: 'user', content: '1.0' }], output: '{"a": 1}' },
    { chat: null, output: '[1]' },
  ])
  const broken = fileOf('broken.csv', 'messages,n\n"[{",1\n')
  await expect(rowsOf({ path: broken })).rejects.toThrow('broken.csv:2: messages')
})

test('each line of a text file is a row, but for empty ones', async () => {
  const path = fileOf('lines.txt', '\uFEFFone\r\n\n  \ntwo 😀\nthree')
  expect(await rowsOf({ path })).toEqual([
    { value: { text: 'one' }, place: `${path}:1` },
    { value: { text: 'two 😀' }, place: `${path}:4` },
    { value: { text: 'three' }, place: `${path}:5` },
  ])
})

it.each([
  ['a row with more cells', 'more.csv', 'a,b\n1,2\n1,2,3\n', 'more.csv:3: '],
  ['a quote that is never closed', 'open.csv', 'a,b\n1,"2\n', 'open.csv:'],
  ['a column that comes twice', 'twice.csv', 'a,a\n1,2\n', "twice.csv:1: the column 'a' twice"],
  [
    'bytes that are no text',
    'bytes.csv',
    new Uint8Array([0x61, 0x0a, 0xff, 0x0a]),
    'bytes.csv: bytes that are not UTF-8',
  ],
  ['UTF-16', 'utf16.csv', Buffer.from('\uFEFFa,b\n1,2\n', 'utf16le'), 'utf16.csv: UTF-16; expected UTF-8'],
  ['no Parquet', 'none.parquet', 'PAR1 or so', 'none.parquet: no Parquet that can be read'],
  ['nothing', 'empty.parquet', '', 'empty.parquet: no Parquet that can be read'],
])('%s is refused with its place', async (_, name, text, says) => {
  await expect(rowsOf({ path: fileOf(name, text) })).rejects.toThrow(says)
})

it.each([
  'snappy.parquet',
  'zstd-v2.parquet',
  'gzip.parquet',
  'comma.csv.gz',
  'joined.jsonl.gz',
  'joined.jsonl.zst',
])('%s that was cut off is refused', async (name) => {
  const path = join(scratch, `cut-${name}`)
  copyFileSync(join(folder, name), path)
  truncateSync(path, readFileSync(path).length - 20)
  await expect(rowsOf({ path })).rejects.toThrow(path)
})

test('a file that is not there is named', async () => {
  for (const name of ['no.parquet', 'no.csv', 'no.txt', 'no.jsonl.gz'])
    await expect(rowsOf({ path: join(scratch, name) })).rejects.toThrow(`${name}: no such file or folder`)
})

/** A Parquet file of which a byte of the metadata of column n is another one. */
function changed(name: string, at: number, byte: number): string {
  const bytes = readFileSync(join(folder, 'flat.parquet'))
  // The column's path in the schema; its codec and count of values follow.
  bytes[bytes.lastIndexOf(Buffer.from('1918016e', 'hex')) + at] = byte
  return fileOf(name, bytes)
}

it.each([
  [
    'an unknown codec',
    changed('lzo.parquet', 5, 6),
    'row group 0 of 1: column n: compressed by LZO; expected UNCOMPRESSED',
  ],
  ['a codec that there is not', changed('codec.parquet', 5, 62), 'row group 0 of 1: column n: compressed by'],
  ['a shorter column', changed('short.parquet', 7, 4), 'row group 0 of 1: column n: 2 values; expected 3'],
])('%s is refused with its row group', async (_, path, says) => {
  await expect(rowsOf({ path })).rejects.toThrow(`${path}: ${says}`)
})

test('a Parquet file with a changed byte is read or refused with its place', async () => {
  const bytes = readFileSync(join(folder, 'snappy.parquet'))
  for (let i = 5; i < bytes.length; i += 97) {
    const own = Buffer.from(bytes)
    own[i] ^= 0x55
    const path = fileOf('changed.parquet', own)
    const rows = await rowsOf({ path }).catch((error: unknown) => error)
    if (!Array.isArray(rows)) expect(String(rows)).toMatch(new RegExp(`^FettleError: ${path}`))
    else expect(rows).toHaveLength(9)
  }
})
