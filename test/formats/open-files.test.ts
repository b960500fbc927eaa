import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sniff } from '../../src/data/sources/sniff.ts'
import { readJsonRecords } from '../../src/formats/index.ts'
import { readCsv, readTextLines } from '../../src/formats/tables/index.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-open-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The files of the folder that this process has open. */
async function openFiles(): Promise<string[]> {
  const places = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(places)).filter((place) => place.startsWith(folder))
}

const row = (i: number) => `{"text":"row ${i}"}\n`
const rows = Array.from({ length: 200_000 }, (_, i) => i)

test.runIf(process.platform === 'linux').each([
  ['rows.jsonl', rows.map(row).join(''), readJsonRecords],
  ['list.json', `[${rows.map(row).join(',')}]`, readJsonRecords],
  ['rows.csv', `text\n${rows.map((i) => `row ${i}\n`).join('')}`, readCsv],
  ['lines.txt', rows.map((i) => `row ${i}\n`).join(''), readTextLines],
] as const)('%s is closed by whoever reads one row of it', async (name, text, read) => {
  const path = join(folder, name)
  await writeFile(path, text)
  for await (const _ of read(path)) {
    expect(await openFiles()).toEqual([path])
    break
  }
  expect(await openFiles()).toEqual([])
  const { bytes } = await sniff(path)
  for await (const _ of read(bytes)) break
  await expect.poll(openFiles).toEqual([])
})

test.runIf(process.platform === 'linux')(
  'a file of what cannot be read from its beginning is closed',
  async () => {
    const path = join(folder, 'rows.parquet')
    await writeFile(path, 'PAR1 and more than eight bytes')
    await expect(sniff(path)).rejects.toThrow('Parquet')
    expect(await openFiles()).toEqual([])
  },
)
