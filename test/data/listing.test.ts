import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix, win32 } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesOf, partPattern, withoutEndSlash } from '../../src/data/sources/listing.ts'

describe.each([
  ['Windows', win32],
  ['POSIX', posix],
] as const)('a pattern on %s', (system, rules) => {
  const cases: [string, { folder: string; prefix: string; rest: string }][] = [
    ['*.jsonl', { folder: '.', prefix: '', rest: '*.jsonl' }],
    ['data/*.jsonl', { folder: 'data', prefix: 'data/', rest: '*.jsonl' }],
    ['data/**/a/*.jsonl', { folder: 'data', prefix: 'data/', rest: '**/a/*.jsonl' }],
    ['/*.jsonl', { folder: '/', prefix: '/', rest: '*.jsonl' }],
    ['/data/*/a.jsonl', { folder: '/data', prefix: '/data/', rest: '*/a.jsonl' }],
  ]
  const ofWindows: typeof cases = [
    ['C:/*.jsonl', { folder: 'C:/', prefix: 'C:/', rest: '*.jsonl' }],
    ['C:\\*.jsonl', { folder: 'C:/', prefix: 'C:/', rest: '*.jsonl' }],
    ['C:*.jsonl', { folder: 'C:', prefix: 'C:', rest: '*.jsonl' }],
    ['C:\\data\\*.jsonl', { folder: 'C:/data', prefix: 'C:/data/', rest: '*.jsonl' }],
    ['\\\\server\\share\\*.jsonl', { folder: '//server/share/', prefix: '//server/share/', rest: '*.jsonl' }],
    ['\\\\?\\C:\\data\\*.jsonl', { folder: '//?/C:/data', prefix: '//?/C:/data/', rest: '*.jsonl' }],
  ]
  const ofPosix: typeof cases = [
    ['C:/*.jsonl', { folder: 'C:', prefix: 'C:/', rest: '*.jsonl' }],
    ['a\\b/*.jsonl', { folder: 'a\\b', prefix: 'a\\b/', rest: '*.jsonl' }],
  ]
  test.each([...cases, ...(system === 'Windows' ? ofWindows : ofPosix)])('%s', (pattern, parts) => {
    expect(partPattern(pattern, rules)).toEqual(parts)
  })
})

test.each([
  ['data/', win32, 'data'],
  ['data\\', win32, 'data'],
  ['data\\/', win32, 'data'],
  ['C:/', win32, 'C:/'],
  ['C:\\', win32, 'C:\\'],
  ['C:\\data\\', win32, 'C:\\data'],
  ['\\\\server\\share\\', win32, '\\\\server\\share\\'],
  ['data//', posix, 'data'],
  ['/', posix, '/'],
  ['///', posix, '/'],
  ['/data/', posix, '/data'],
  ['data\\', posix, 'data\\'],
])('%s without its end', (path, rules, short) => {
  expect(withoutEndSlash(path, rules)).toBe(short)
})

test('files of a pattern have paths that can be opened', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-listing-'))
  mkdirSync(join(folder, 'more'))
  for (const name of ['b.jsonl', 'a.jsonl', 'c.csv', join('more', 'd.jsonl')])
    writeFileSync(join(folder, name), '')
  expect(await filesOf(`${folder}/*.jsonl`)).toEqual([`${folder}/a.jsonl`, `${folder}/b.jsonl`])
  expect(await filesOf(`${folder}/*/*.jsonl`)).toEqual([`${folder}/more/d.jsonl`])
  expect(await filesOf(`${folder}/none/*.jsonl`)).toEqual([])
})

test('a name that macOS has taken apart is found by what a keyboard gives, and the other way round', async () => {
  const there = mkdtempSync(join(tmpdir(), 'fettle-names-'))
  const [apart, whole] = ['u\u0308bung-1.jsonl', '\u00FCbung-2.jsonl']
  for (const name of [apart, whole]) writeFileSync(join(there, name), '')
  for (const pattern of ['\u00FCbung-*.jsonl', 'u\u0308bung-*.jsonl', '[\u00FC]bung-?.jsonl'])
    expect((await filesOf(join(there, pattern))).toSorted()).toEqual(
      [apart, whole].map((name) => join(there, name)).toSorted(),
    )
})
