import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRows } from '../../src/data/index.ts'
import { readTextFile } from '../../src/formats/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-text-'))

function write(name: string, content: string | Buffer): string {
  const path = join(scratch, name)
  writeFileSync(path, content)
  return path
}

describe('the text of a file', () => {
  test.each<[string, string | Buffer, string]>([
    ['UTF-8', 'é', 'é'],
    ['a byte order mark is no text', '\uFEFFé', 'é'],
    ['nothing', '', ''],
    ['zeros elsewhere are characters', 'ab\0', 'ab\0'],
  ])('%s', async (name, content, text) => {
    expect(await readTextFile(write(name, content))).toBe(text)
  })

  test.each<[string, Buffer, string]>([
    ['little endian', Buffer.from('\uFEFFhi', 'utf16le'), 'UTF-16; expected UTF-8'],
    ['big endian', Buffer.from('\uFEFFhi', 'utf16le').swap16(), 'UTF-16; expected UTF-8'],
    ['without a mark', Buffer.from('hi', 'utf16le'), 'UTF-16; expected UTF-8'],
    ['Latin-1', Buffer.from('groß', 'latin1'), 'not UTF-8 (0xdf at byte 4)'],
  ])('refused: %s', async (name, content, message) => {
    await expect(readTextFile(write(name, content))).rejects.toThrow(`${join(scratch, name)}: `)
    await expect(readTextFile(join(scratch, name))).rejects.toThrow(message)
  })

  test('a JSON array may have a byte order mark', async () => {
    const rows = []
    for await (const { value } of readRows({ path: write('marked.json', '\uFEFF[{"text":"a"}]') }))
      rows.push(value)
    expect(rows).toEqual([{ text: 'a' }])
  })
})
