import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createLineSource, mostBytes } from '../../src/formats/json/line-source.ts'
import {
  explainUnwritable,
  makeFolder,
  passingName,
  readJsonRecords,
  sweepPassing,
  writeAtomically,
  writeFileAtomic,
  writeGguf,
  writeSafetensors,
  writeWeightFiles,
} from '../../src/formats/index.ts'
import { freeSpace, refuseFull, roomBefore } from '../../src/formats/files/free-space.ts'
import { explainUnreadable } from '../../src/formats/text.ts'

const folder = () => mkdtempSync(join(tmpdir(), 'fettle-files-'))

/** A process that is gone. */
const gone = spawnSync(process.execPath, ['-e', '']).pid
const host = hostname().replaceAll(/[^\w-]/g, '_')

describe('a disk without room', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    syscall: 'write',
  })

  test('what was needed and what is left stand in the error', () => {
    const path = join(folder(), 'not', 'yet', 'model.safetensors')
    expect(String(explainUnwritable(path, full, 1_300_000))).toMatch(
      /model\.safetensors: cannot be written \(ENOSPC.+: [\d.,]+ [kMG]?B free\); what was there before is unchanged; expected room for 1\.3 MB\. Free some space/,
    )
  })

  /** More than any disk has. */
  const large = 2 ** 52
  const never = () => Promise.reject(new Error('it was begun'))
  test.each<[string, (there: string) => Promise<void>, string]>([
    [
      'a file of tensors',
      (there) =>
        writeWeightFiles(there, [{ name: 'a', dtype: 'F32', shape: [large / 4], data: never }], large),
      'a disk',
    ],
    [
      'several files, of which one had room',
      (there) => {
        const tensor = { dtype: 'U8', shape: [2 ** 30], data: never } as const
        const tensors = Array.from({ length: 2 ** 16 }, (_, i) => ({ ...tensor, name: `t${i}` }))
        return writeWeightFiles(there, tensors, 2 ** 30)
      },
      'a disk',
    ],
    [
      'a GGUF file',
      (there) =>
        writeGguf(join(there, 'm'), new Map(), [
          { name: 'a', type: 'F32', shape: [large / 4], data: never as never },
        ]),
      'm: a disk',
    ],
  ])('is found before %s is begun, and nothing is left', async (_, write, said) => {
    const there = folder()
    await expect(write(there)).rejects.toThrow(
      new RegExp(
        `${said} without room for it: .* free; nothing was written; expected room for [\\d,]+ GB\\. Free some`,
      ),
    )
    expect(readdirSync(there)).toEqual([])
  })

  test('is not told of macOS, which counts what it would take back as taken', () => {
    expect(roomBefore(tmpdir(), 'darwin')).toBeUndefined()
    expect(roomBefore(tmpdir(), 'linux')?.bytes).toBeGreaterThan(0)
    expect(() => refuseFull(tmpdir(), large, 'darwin')).not.toThrow()
    expect(() => refuseFull(tmpdir(), large, 'win32')).toThrow('a disk without room')
  })

  test('what is left is what the system says', () => {
    const { bytes = 0 } = freeSpace(tmpdir()) ?? {}
    const said = spawnSync('df', ['-B1', '--output=avail', tmpdir()], { encoding: 'utf8' })
    if (said.status === 0) expect(bytes / Number(said.stdout.split('\n')[1])).toBeCloseTo(1, 1)
    expect(bytes).toBeGreaterThan(0)
  })

  test.each<[string, (path: string) => Promise<void>, string]>([
    ['a text', (path) => writeFileAtomic(path, 'é'.repeat(20_000)), '40.0 kB'],
    [
      'tensors',
      (path) =>
        writeSafetensors(path, [
          { name: 'a', dtype: 'F32', shape: [1_000_000], data: () => Promise.reject(full) },
        ]),
      '4.0 MB',
    ],
  ])('%s', async (_, write, needed) => {
    const there = folder()
    const path = join(there, 'file')
    mkdirSync(path)
    // A folder of this name makes the rename fail.
    await expect(write(path)).rejects.toThrow(
      needed === '4.0 MB' ? `expected room for ${needed}` : 'cannot be written',
    )
    expect(readdirSync(there)).toEqual(['file'])
  })
})

test.each<[string, NodeJS.ErrnoException, string]>([
  ['this process', Object.assign(new Error('EMFILE'), { code: 'EMFILE', syscall: 'open' }), 'a.json'],
  ['the system', Object.assign(new Error('ENFILE'), { code: 'ENFILE', syscall: 'open' }), 'a.json'],
])('what cannot be opened because %s has too many files open says so', (_, error, path) => {
  expect(String(explainUnwritable(path, error))).toContain('Raise the limit (ulimit -n 1024), and run again.')
  expect(String(explainUnreadable(path, error, 'a JSON file'))).toContain(
    'a.json: too many open files: about a hundred are needed. Raise the limit (ulimit -n 1024), and run again.',
  )
})

test('nothing is put in the place of a device or a pipe', async () => {
  const there = folder()
  const pipe = join(there, 'pipe')
  execFileSync('mkfifo', [pipe])
  await expect(writeFileAtomic(pipe, 'new')).rejects.toThrow(
    `${pipe}: a device, a pipe or a socket; expected a file, or nothing`,
  )
  expect(readdirSync(there)).toEqual(['pipe'])
})

describe('what a process that was ended left half made', () => {
  test('goes when the same is made again; what others make stays', async () => {
    const there = folder()
    const names = [
      `.a.txt.${host}.${gone}.0a1b2c3d.tmp`,
      `.b.txt.${host}.${gone}.0a1b2c3d.tmp`,
      `.a.txt.${host}.${process.ppid}.0a1b2c3d.tmp`,
      `.a.txt.elsewhere.${gone}.0a1b2c3d.tmp`,
    ]
    for (const name of names) writeFileSync(join(there, name), '')
    await writeFileAtomic(join(there, 'a.txt'), 'new')
    expect(readdirSync(there).toSorted()).toEqual([...names.slice(1), 'a.txt'].toSorted())
    expect(readFileSync(join(there, 'a.txt'), 'utf8')).toBe('new')
  })

  test('of no name goes in its own sweep', async () => {
    const there = folder()
    for (const name of [passingName(), `.${host}.${gone}.0a1b2c3d.tmp`]) mkdirSync(join(there, name))
    await sweepPassing(there)
    expect(readdirSync(there)).toHaveLength(1)
  })

  test('is nothing where writing fails', async () => {
    const there = folder()
    const failing = writeAtomically(join(there, 'a'), () => Promise.reject(new Error('no')))
    await expect(failing).rejects.toThrow('no')
    expect(readdirSync(there)).toEqual([])
  })
})

test.skipIf(process.platform === 'win32').each(['.', 'below'])(
  'a link that leads nowhere is named as one: %s',
  async (below) => {
    const there = folder()
    symlinkSync('/nowhere/at/all', join(there, 'link'))
    await expect(makeFolder(join(there, 'link', below))).rejects.toThrow(
      `${join(there, 'link')}: a link to /nowhere/at/all, which is not there; expected a folder, or nothing. Make what it leads to, or remove the link.`,
    )
  },
)

describe('a line that no text can hold', () => {
  const piece = Buffer.alloc(1 << 20, 'x')
  async function* chunks(...last: string[]) {
    for (let i = 0; i <= mostBytes / piece.length; i += 1) yield piece
    for (const text of last) yield Buffer.from(text)
  }

  test('is told before it ends, and the lines behind it are read', async () => {
    const lines = createLineSource(chunks('end\nnext\nlast'))
    expect(await lines.next()).toMatchObject({ number: 1, isTooLong: true })
    expect(String((await lines.next())?.bytes)).toBe('next')
    expect(await lines.next()).toMatchObject({ number: 3 })
    expect(await lines.next()).toBeUndefined()
  })

  test('is refused as soon as it is one, though it may never end', async () => {
    const { Readable } = await import('node:stream')
    const endless = {
      place: 'zeros.jsonl',
      open: () =>
        Readable.from(
          (function* () {
            for (;;) yield piece
          })(),
        ),
    }
    const read = async () => {
      for await (const _ of readJsonRecords(endless)) break
    }
    await expect(read()).rejects.toThrow(
      'zeros.jsonl:1: a line of 512 MiB or more; expected less than 512 MiB.',
    )
  })
})
