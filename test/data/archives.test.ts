import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it, test } from 'vitest'
import { createDataReport, readRows, resolveFiles, type DataSource } from '../../src/data/index.ts'
import { formatOrigin } from '../../src/data/row.ts'

/** Written by record.py there with Python's zipfile. */
const folder = join(import.meta.dirname, '..', 'fixtures', 'archives')
const scratch = mkdtempSync(join(tmpdir(), 'fettle-archives-'))

async function rowsOf(source: DataSource, report = createDataReport()): Promise<[unknown, string][]> {
  const rows: [unknown, string][] = []
  for await (const { value, origin } of readRows(source, { report }))
    rows.push([value['text'], formatOrigin(origin)])
  return rows
}

test('the files of an archive are read in the order of their names', async () => {
  const path = join(folder, 'rows.zip')
  const report = createDataReport()
  const rows = await rowsOf({ path }, report)
  expect(rows.slice(0, 3)).toEqual([
    ['a1', `${path}/a.jsonl:1`],
    ['a2', `${path}/a.jsonl:2`],
    ['c', `${path}/c.jsonl.gz:1`],
  ])
  expect(rows).toHaveLength(304)
  expect(rows.at(-1)).toEqual(['é 😀', `${path}/sub/b.jsonl:301`])
  expect(report.notes).toEqual([`${path}: not read: 1 of 5 files, of another kind`])
  expect(await rowsOf({ path: join(folder, 'table.csv.zip') })).toEqual([
    ['two\nlines', `${join(folder, 'table.csv.zip')}/table.csv:2`],
  ])
})

test('an archive in a folder is a file of it', async () => {
  const path = join(scratch, 'set')
  mkdirSync(path)
  writeFileSync(join(path, 'train.zip'), readFileSync(join(folder, 'rows.zip')))
  expect(await rowsOf({ path, split: 'train[:2]' })).toHaveLength(2)
  expect(await resolveFiles({ path })).toEqual([join(path, 'train.zip')])
})

test('an archive that was cut off anywhere, or changed, is refused', async () => {
  const bytes = readFileSync(join(folder, 'rows.zip'))
  const path = join(scratch, 'cut.zip')
  for (const part of [0, 10, bytes.length >> 1, bytes.length - 30, bytes.length - 9]) {
    writeFileSync(path, bytes.subarray(0, part))
    await expect(rowsOf({ path })).rejects.toThrow(path)
  }
  const changed = Buffer.from(bytes)
  changed[bytes.indexOf('a1')] ^= 1
  writeFileSync(path, changed)
  await expect(rowsOf({ path })).rejects.toThrow(`${path}/a.jsonl: bytes that are not those of its checksum`)
})

it.each([
  ['bzip2.zip', 'a.jsonl: packed by method 12; expected stored or deflated'],
  ['parquet.zip', 'a.parquet: a .parquet file in an archive'],
])('%s is refused by name', async (name, says) => {
  await expect(rowsOf({ path: join(folder, name) })).rejects.toThrow(says)
})

it.each([
  ['bzip2', '425a68393141', 'bunzip2'],
  ['xz', 'fd377a585a000004', 'unxz'],
  ['lz4', '04224d186440', 'unlz4'],
])('a file in %s is refused with what undoes it', async (name, bytes, undo) => {
  const path = join(scratch, `rows.jsonl.${name}`)
  writeFileSync(path, Buffer.from(bytes, 'hex'))
  await expect(rowsOf({ path })).rejects.toThrow(`${path}: ${name} compression`)
  await expect(rowsOf({ path })).rejects.toThrow(undo)
})

const arrow = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'arrow', 'days.arrow'))

it.each<[string, string | Buffer, string]>([
  ['JSON lines', '\n  {"a": 1}\n{"a": 2}\n', '2 standard input:3'],
  ['CSV', 'a;b\r\n"x\ny";2\n', '1 standard input:2'],
  ['compressed CSV', gzipSync('\uFEFFa,b\n1,2\n3,4\n'), '2 standard input:3'],
  ['Arrow', arrow, '1 standard input#0'],
  ['Parquet', 'PAR1', 'standard input: Parquet; expected'],
])('%s comes through standard input', (_, input, says) => {
  const program = `
    import { readRows } from ${JSON.stringify(join(import.meta.dirname, '../../dist/index.mjs'))}
    let last, count = 0
    try {
      for await (const { origin } of readRows({ path: '-' })) { count += 1; last = origin }
      console.log(count, last.file + (last.line ? ':' + last.line : '#' + last.row))
    } catch (error) { console.log(error.message) }`
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    input,
    encoding: 'utf8',
  })
  expect(out).toContain(says)
})
