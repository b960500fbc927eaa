import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { movePath, removePath } from '../../src/formats/index.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-move-'))
  await writeFile(join(folder, 'new'), 'new')
  await writeFile(join(folder, 'old'), 'old')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Renames after so many refusals, and counts how often it was asked. */
function refusing(times: number, code: string) {
  const asked = { count: 0 }
  const renameOnce: typeof rename = async (from, to) => {
    asked.count += 1
    if (asked.count <= times) throw Object.assign(new Error(`${code}: refused, rename`), { code })
    await rename(from, to)
  }
  return { asked, renameOnce }
}

const move = (platform: NodeJS.Platform, renameOnce: typeof rename) =>
  movePath(join(folder, 'new'), join(folder, 'old'), platform, renameOnce)

test.each(['EACCES', 'EPERM', 'EBUSY', 'UNKNOWN'])('on Windows %s is waited out', async (code) => {
  const { asked, renameOnce } = refusing(3, code)
  await move('win32', renameOnce)
  expect(asked.count).toBe(4)
  expect(await readFile(join(folder, 'old'), 'utf8')).toBe('new')
})

test.each(['EACCES', 'UNKNOWN', 'ENOTEMPTY'])('and so where it is removed: %s', async (code) => {
  let asked = 0
  await removePath(folder, 'win32', async (path, options) => {
    asked += 1
    if (asked <= 2) throw Object.assign(new Error(`${code}: refused, rm`), { code })
    await rm(path, options)
  })
  expect(asked).toBe(3)
  expect(existsSync(folder)).toBe(false)
})

test.each([
  ['win32', 'ENOSPC'],
  ['linux', 'EPERM'],
  ['darwin', 'EBUSY'],
] as const)('on %s %s is said at once, and nothing is changed', async (platform, code) => {
  const { asked, renameOnce } = refusing(1, code)
  await expect(move(platform, renameOnce)).rejects.toMatchObject({ code })
  expect(asked.count).toBe(1)
  expect(await readFile(join(folder, 'old'), 'utf8')).toBe('old')
})
