import { describe, expect, test } from 'vitest'
import { isPortableName } from '../../src/formats/foreign/index.ts'
import { refuseOddName } from '../../src/formats/files/odd-name.ts'

/** Names that Windows does not take, or takes for something else: https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const odd: [name: string, fault: string][] = [
  ['model:q8.gguf', 'the character ":"'],
  ['what?', 'the character "?"'],
  ['*.gguf', 'the character "*"'],
  ['a|b', 'the character "|"'],
  ['<eos>', 'the character "<"'],
  ['a"b', String.raw`the character "\""`],
  ['a\tb', String.raw`the character "\t"`],
  ['CON', 'CON, a device'],
  ['nul.gguf', 'NUL, a device'],
  ['aux.tar.gz', 'AUX, a device'],
  ['com1', 'COM1, a device'],
  ['LPT².txt', 'LPT², a device'],
  ['nul .txt', 'NUL, a device'],
  ['first.', 'a dot at its end'],
  ['first ', 'a blank at its end'],
]
const plain = [
  'first',
  'first.gguf',
  '.hidden',
  'console',
  'auxiliary',
  'com',
  'com10',
  'my nul',
  'a b.c',
  'größe',
  '模型',
]

describe('on Windows', () => {
  test.each(odd)('%j is refused, wherever it stands', (name, fault) => {
    for (const path of [name, `runs/${name}`, `C:\\runs\\${name}\\model.gguf`, `//server/share/${name}`])
      expect(() => refuseOddName(path, 'win32'), path).toThrow(
        `${path}: the name ${JSON.stringify(name)} with ${fault}; expected a name that Windows takes`,
      )
  })

  test.each([
    ...plain,
    ...plain.map((name) => `C:/runs/${name}/a`),
    'C:',
    'C:\\',
    'C:model.gguf',
    '..\\runs\\.\\first',
    './..',
    '\\\\server\\share$\\runs',
    '\\\\?\\C:\\runs\\con',
    '',
  ])('%j is taken', (path) => {
    expect(() => refuseOddName(path, 'win32')).not.toThrow()
  })
})

test.each(['linux', 'darwin'] as const)('on %s all are names', (platform) => {
  for (const [name] of odd) expect(() => refuseOddName(name, platform), name).not.toThrow()
})

test.each([
  ...odd.map(([name]) => name),
  '',
  '..',
  '.',
  'a/b',
  'a\\b',
  'a\0',
  'x'.repeat(181),
  'é'.repeat(91),
])('no name for every system: %j', (name) => {
  expect(isPortableName(name)).toBe(false)
})

test.each([...plain, 'x'.repeat(180)])('a name for every system: %j', (name) => {
  expect(isPortableName(name)).toBe(true)
})
