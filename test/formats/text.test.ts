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

/** `hi` by Python's codecs, and what to convert it with. */
const wide = [
  ['UTF-32 with a mark', 'fffe00006800000069000000', 'UTF-32'],
  ['UTF-32 with a mark, big endian', '0000feff0000006800000069', 'UTF-32'],
  ['UTF-32 without a mark', '6800000069000000', 'UTF-32LE'],
  ['UTF-32 without a mark, big endian', '0000006800000069', 'UTF-32BE'],
  ['UTF-16 with a mark', 'fffe68006900', 'UTF-16'],
  ['UTF-16 without a mark', '68006900', 'UTF-16LE'],
  ['UTF-16 without a mark, big endian', '00680069', 'UTF-16BE'],
] as const

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
    ...wide.map(([name, hex, encoding]): [string, Buffer, string] => [
      name,
      Buffer.from(hex, 'hex'),
      `${encoding.slice(0, 6)}; expected UTF-8. Convert the file: iconv -f ${encoding} -t UTF-8.`,
    ]),
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
