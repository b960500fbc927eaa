import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { readJsonRecords, type RecordOptions } from '../../../src/formats/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fettle-jsonl-'))

async function collect(path: string, options: RecordOptions = {}) {
  const found: [number, unknown][] = []
  for await (const { value, line } of readJsonRecords(path, options)) found.push([line, value])
  return found
}

function read(name: string, content: string | Buffer, options: RecordOptions = {}) {
  const path = join(scratch, `${name}.jsonl`)
  writeFileSync(path, content)
  return collect(path, options)
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

describe('the layout is what the file holds, not what its name says', () => {
  const row = '{"a":1}'
  const pretty = '{\n  "a": 1\n}'
  it.each<[string, string, [number, unknown][]]>([
    [
      'a list',
      `[${row},\n ${row}]`,
      [
        [1, { a: 1 }],
        [2, { a: 1 }],
      ],
    ],
    [
      'a list over several lines, with a mark',
      `\uFEFF[\n${pretty},\n${pretty}\n]\n`,
      [
        [2, { a: 1 }],
        [5, { a: 1 }],
      ],
    ],
    ['an empty list', ' [ ] \n', []],
    [
      'objects over several lines',
      `${pretty}\n${pretty}\n`,
      [
        [1, { a: 1 }],
        [4, { a: 1 }],
      ],
    ],
    [
      'several objects in a line',
      `${row}${row} ${row}\n${row}`,
      [
        [1, { a: 1 }],
        [1, { a: 1 }],
        [1, { a: 1 }],
        [2, { a: 1 }],
      ],
    ],
    [
      'lines, then one over several',
      `${row}\n${pretty}\n`,
      [
        [1, { a: 1 }],
        [2, { a: 1 }],
      ],
    ],
    [
      'lists one behind the other',
      `[${row}]\n[${row}]`,
      [
        [1, { a: 1 }],
        [2, { a: 1 }],
      ],
    ],
    [
      'a list that is one value',
      '[{"from":"human"}]\n[{"from":"human"}]',
      [
        [1, [{ from: 'human' }]],
        [2, [{ from: 'human' }]],
      ],
    ],
    [
      'brackets and commas in texts',
      '[{"a":"}],[{"},{"a":"\\"]"}]',
      [
        [1, { a: '}],[{' }],
        [1, { a: '"]' }],
      ],
    ],
  ])('%s', async (name, content, expected) => {
    const isPartOfOne = (item: unknown) => typeof item === 'object' && item !== null && 'from' in item
    expect(await read(name, content, { isPartOfOne })).toEqual(expected)
  })

  test('a list larger than what is read at once', async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => ({ i, text: 'é'.repeat(i % 500) }))
    const found = await read('large', JSON.stringify(rows, null, 1))
    expect(found.map(([, value]) => value)).toEqual(rows)
    expect(found.map(([line]) => line)).toEqual(rows.map((_, i) => 2 + 4 * i))
  })
})

describe('what is refused', () => {
  it.each<[string, string | Buffer, string]>([
    ['broken line', '{"a":1}\n{"a":\n', ':2: not JSON: it ends inside a value'],
    ['a line that is cut, among whole ones', `{"a":1}\n{"a":\n{"b":2}\n`, ':2: not JSON: it ends inside'],
    ['no JSON', '{"a":1}\nhello\n', ':2: not JSON: the word hello (column 1)'],
    ['an item', '[{"a":1},\n{"a":nope}]', ':2: not JSON: the word nope (column 6)'],
    ['an item behind others', '[{"a":1}, {"a":nope}]', ':1: not JSON: the word nope (column 16)'],
    ['a comma too many', '[{"a":1},]', ':1: not JSON: a comma with no value beside it'],
    [
      'a list that does not end',
      '[{"a":1},\n{"a":1}',
      ':1: not JSON: the list that begins here does not end',
    ],
    ['commas between objects', '{"a":1},\n{"a":1}', ':1: not JSON: "," (column 8)'],
    ['a bracket too many', '{"a":1}]\n', ':1: not JSON: "]" (column 8)'],
    ['text behind a list', '[{"a":1}] x', ':1: not JSON: the word x'],
    [
      'Latin-1',
      Buffer.concat([Buffer.from('"a"\n"'), Buffer.from([0xe9, 0x22])]),
      ':2: bytes that are not UTF-8 (0xe9 at byte 2)',
    ],
    ['UTF-16', Buffer.from('\uFEFF{"a":1}', 'utf16le'), ':1: UTF-16; expected UTF-8'],
    ['UTF-32', Buffer.from('7b0000007d000000', 'hex'), ':1: UTF-32; expected UTF-8'],
    ['a list in UTF-32', Buffer.from('fffe00005b0000005d000000', 'hex'), ':1: UTF-32; expected UTF-8'],
    ['a list in UTF-16', Buffer.from('[{"a":1}]', 'utf16le'), ':1: UTF-16; expected UTF-8'],
  ])('%s', async (name, content, message) => {
    await expect(read(name, content)).rejects.toThrow(message)
    await expect(read(name, content)).rejects.toThrow(join(scratch, name))
  })

  test('or left out, and the reading goes on', async () => {
    const errors: string[] = []
    const content = '{"a":1}\n{"b": \n{"c":3}\nhello\n{"d":"x}\n{"e":5}\n'
    const onInvalid = ({ message }: Error) => errors.push(message)
    expect(await read('left', content, { onInvalid })).toEqual([
      [1, { a: 1 }],
      [3, { c: 3 }],
      [6, { e: 5 }],
    ])
    expect(errors.map((message) => /:(\d+): /.exec(message)?.[1])).toEqual(['2', '4', '5'])
  })

  test('missing file', async () => {
    await expect(collect(join(scratch, 'none.jsonl'))).rejects.toThrow(
      'none.jsonl: no such file or folder; expected a JSON lines file',
    )
  })
})
