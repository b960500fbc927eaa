import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { readJsonl } from '../../src/formats/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-jsonl-'))

async function collect(path: string) {
  const found: [number, unknown][] = []
  for await (const { value, line } of readJsonl(path)) found.push([line, value])
  return found
}

function read(name: string, content: string | Buffer) {
  const path = join(scratch, `${name}.jsonl`)
  writeFileSync(path, content)
  return collect(path)
}

const long = 'é'.repeat(700_000)

describe('what is read', () => {
  it.each<[string, string | Buffer, [number, unknown][]]>([
    ['empty file', '', []],
    ['no newline at the end', '{"a":1}', [[1, { a: 1 }]]],
    [
      'CRLF',
      '{"a":1}\r\n2\r\n',
      [
        [1, { a: 1 }],
        [2, 2],
      ],
    ],
    ['byte order mark', '\uFEFF{"a":1}\n', [[1, { a: 1 }]]],
    [
      'empty lines keep the count',
      '\n1\n \n\r\n2\n',
      [
        [2, 1],
        [5, 2],
      ],
    ],
    [
      'line separators inside a string',
      '"a\u2028b"\n2',
      [
        [1, 'a\u2028b'],
        [2, 2],
      ],
    ],
    [
      'lines across chunks',
      `"${long}"\n1\n"${long}"`,
      [
        [1, long],
        [2, 1],
        [3, long],
      ],
    ],
  ])('%s', async (name, content, expected) => {
    expect(await read(name, content)).toEqual(expected)
  })
})

describe('what is refused', () => {
  it.each<[string, string | Buffer, string]>([
    ['broken line', '{"a":1}\n{"a":\n', ':2: not JSON'],
    ['a JSON file', '[\n1]', 'name it .json'],
    [
      'Latin-1',
      Buffer.concat([Buffer.from('"a"\n"'), Buffer.from([0xe9, 0x22])]),
      ':2: bytes that are not UTF-8 (0xe9 at byte 2)',
    ],
    ['UTF-16', Buffer.from('\uFEFF{"a":1}', 'utf16le'), ':1: UTF-16; expected UTF-8'],
  ])('%s', async (name, content, message) => {
    await expect(read(name, content)).rejects.toThrow(message)
    await expect(read(name, content)).rejects.toThrow(join(scratch, name))
  })

  test('missing file', async () => {
    await expect(collect(join(scratch, 'none.jsonl'))).rejects.toThrow(
      'none.jsonl: no such file or folder; expected a JSON lines file',
    )
  })
})
