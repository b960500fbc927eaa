import { appendFileSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readRows } from '../../src/data/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-cut-'))
/** Several times what is read at once, also when it is compressed. */
const texts = Array.from({ length: 4000 }, (_, i) =>
  Array.from({ length: 40 }, (_, k) => Math.sin(i * 40 + k)).join(' '),
)
const lines = texts.map((text) => `${JSON.stringify({ text })}\n`).join('')

/** The rows of a file; something happens to it when the first one has been read. */
async function rowsOf(path: string, happens: () => void): Promise<number> {
  let rows = 0
  for await (const { value } of readRows({ path })) {
    expect(value).toEqual({ text: texts[rows] })
    if (rows === 0) happens()
    rows += 1
  }
  return rows
}

test.each<[string, string, string | Buffer]>([
  ['JSON lines', 'rows.jsonl', lines],
  ['a JSON list', 'rows.json', `[${texts.map((text) => JSON.stringify({ text })).join(',')}]`],
  ['a table, whose rows would just be fewer', 'rows.csv', `text\n${texts.join('\n')}\n`],
  ['compressed lines', 'rows.jsonl.gz', gzipSync(lines)],
])('a file that is cut while it is read says so: %s', async (_, name, content) => {
  const path = join(scratch, name)
  writeFileSync(path, content)
  await expect(rowsOf(path, () => truncateSync(path, 100_000))).rejects.toThrow(
    `${path}: 100000 bytes now; expected the ${Buffer.byteLength(content)} that there were when reading began. The file was cut`,
  )
})

test('what is put to its end meanwhile is read', async () => {
  const path = join(scratch, 'growing.jsonl')
  const half = lines.indexOf('\n', lines.length / 2) + 1
  writeFileSync(path, lines.slice(0, half))
  expect(await rowsOf(path, () => appendFileSync(path, lines.slice(half)))).toBe(texts.length)
})
