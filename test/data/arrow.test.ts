import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readRows, resolveFiles, type DataSource } from '../../src/data/index.ts'
import { formatOrigin } from '../../src/data/row.ts'
import { parseJson } from '../../src/formats/index.ts'

/** Written by record.py there with pyarrow and datasets. */
const folder = join(import.meta.dirname, '..', 'fixtures', 'arrow')
const { saved, ...files } = parseJson(readFileSync(join(folder, 'rows.json'), 'utf8'), 'rows.json') as Record<
  string,
  object[]
> & { saved: Record<string, object[]> }
const scratch = mkdtempSync(join(tmpdir(), 'fettle-arrow-'))

async function rowsOf(source: DataSource): Promise<{ value: Record<string, unknown>; place: string }[]> {
  const rows = []
  for await (const { value, origin } of readRows(source)) rows.push({ value, place: formatOrigin(origin) })
  return rows
}

it.each(Object.keys(files))('%s holds what Python wrote', async (name) => {
  const rows = await rowsOf({ path: join(folder, name) })
  const values = rows.map(({ value }) =>
    name.startsWith('long')
      ? { sha256: createHash('sha256').update(String(value['text'])).digest('hex') }
      : value,
  )
  expect(values).toEqual(files[name])
  expect(rows.at(-1)?.place).toBe(`${join(folder, name)}#${rows.length - 1}`)
})

it.each(Object.keys(saved))('the split %s that save_to_disk wrote', async (split) => {
  const path = join(folder, 'saved')
  const rows = await rowsOf({ path, split })
  expect(rows.map(({ value }) => value)).toEqual(saved[split])
  expect((await rowsOf({ path: join(path, split) })).length).toBe(saved[split].length)
  const shards = await resolveFiles({ path, split })
  expect(shards?.filter((file) => file.endsWith('.arrow'))).toHaveLength(split === 'train' ? 2 : 1)
})

it.each(['stream.arrow', 'file.arrow', 'lz4.arrow', 'zstd.arrow', 'stream.arrow.gz'])(
  '%s that was cut off anywhere is refused',
  async (name) => {
    const bytes = readFileSync(join(folder, name))
    const path = join(scratch, name)
    for (const part of [0, 3, 9, bytes.length >> 2, bytes.length >> 1, bytes.length - 3]) {
      writeFileSync(path, bytes.subarray(0, part))
      const error = await rowsOf({ path }).catch((thrown: Error) => thrown)
      expect(String(error)).toContain(path)
    }
  },
)

it.each([
  ['text', 'no.arrow', Buffer.from('PAR1 is no Arrow, nor is this'), 'no Arrow'],
  ['a length that no file has', 'long.arrow', Buffer.from('ffffffffffffff7f', 'hex'), 'no Arrow'],
  [
    'metadata that say nothing',
    'bad.arrow',
    Buffer.from(`ffffffff10000000${'41'.repeat(16)}`, 'hex'),
    'Arrow',
  ],
])('%s is refused', async (_, name, bytes, says) => {
  const path = join(scratch, name)
  writeFileSync(path, bytes)
  await expect(rowsOf({ path })).rejects.toThrow(says)
})
