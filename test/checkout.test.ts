import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 2 ** 24 })

test('a clone on Windows has the bytes of every file, whose hashes are compared', () => {
  const clone = mkdtempSync(join(tmpdir(), 'fettle-clone-'))
  git(root, 'clone', '--quiet', '--shared', '--config', 'core.autocrlf=true', root, clone)
  // The line ends of each file as it is kept, and as it lies in the clone.
  const lines = git(clone, 'ls-files', '--eol').trim().split('\n')
  const changed = lines.filter((line) => {
    const [kept, here] = line.split(/\s+/)
    return kept.slice('i/'.length) !== here.slice('w/'.length)
  })
  expect(lines.length).toBeGreaterThan(2000)
  expect(changed).toEqual([])
})

test('no file has a name that Windows has not, or that differs from another one by its case alone', () => {
  const names = git(root, 'ls-files').trim().split('\n')
  expect(
    names.filter((name) =>
      /[<>:"|?*\\]|[. ](?:\/|$)|(?:^|\/)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\/|$)/i.test(name),
    ),
  ).toEqual([])
  expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length)
})
