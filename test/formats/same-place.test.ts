import { linkSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isSamePlace, nameInside, resolved } from '../../src/formats/index.ts'

const scratch = mkdtempSync(join(realpathSync(tmpdir()), 'fettle-place-'))
const at = (...names: string[]): string => join(scratch, ...names)
mkdirSync(at('model', 'parts'), { recursive: true })
mkdirSync(at('other'))
writeFileSync(at('model', 'a.gguf'), 'a')
writeFileSync(at('other', 'a.gguf'), 'a')
symlinkSync(at('model'), at('link'))
symlinkSync(at('nowhere'), at('dangling'))
// As a name in another case on Windows and macOS: another text, no link, and the same file.
linkSync(at('model', 'a.gguf'), at('A.GGUF'))

describe('one place', () => {
  test.each([
    ['itself', at('model'), at('model')],
    ['with dots and a slash', `${scratch}/other/../model/./`, at('model')],
    ['from here', relative(process.cwd(), at('model')), at('model')],
    ['a link to it', at('link'), at('model')],
    ['a file below a link', at('link', 'a.gguf'), at('model', 'a.gguf')],
    ['a file by another name', at('A.GGUF'), at('model', 'a.gguf')],
    ['what is not there yet', at('new', 'run'), `${scratch}/new/./run/`],
    ['what is not there yet, below a link', at('link', 'new'), at('model', 'new')],
  ])('%s', (_, one, other) => {
    expect(isSamePlace(one, other)).toBe(true)
    expect(isSamePlace(other, one)).toBe(true)
  })
})

describe('two places', () => {
  test.each([
    ['folders of one folder', at('model'), at('other')],
    ['a folder and what it is in', at('model'), scratch],
    ['files of the same bytes', at('model', 'a.gguf'), at('other', 'a.gguf')],
    ['one that is not there', at('model'), at('new')],
    ['a link to nothing', at('dangling'), at('model')],
    ['a name that another begins with', at('mod'), at('model')],
  ])('%s', (_, one, other) => {
    expect(isSamePlace(one, other)).toBe(false)
    expect(isSamePlace(other, one)).toBe(false)
  })
})

test.each([
  ['right below', at('model'), at('model', 'parts'), 'parts'],
  ['further below', scratch, at('model', 'parts', 'new'), 'model'],
  ['by links', at('link'), at('model', 'a.gguf'), 'a.gguf'],
  ['below the root', '/', scratch, scratch.split('/')[1]],
  ['the folder itself', at('model'), at('model'), undefined],
  ['beside', at('model'), at('other'), undefined],
  ['above', at('model'), scratch, undefined],
  ['in a folder that is not there', at('new'), at('model'), undefined],
])('the name inside a folder: %s', (_, folder, path, name) => {
  expect(nameInside(folder, path)).toBe(name)
})

test('a path without links keeps what is not there', () => {
  expect(resolved(at('link', 'new', 'run'))).toBe(at('model', 'new', 'run'))
})
