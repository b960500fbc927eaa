import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockFolder } from '../../../src/train/runs/lock.ts'
import { cli } from '../../cli/run-cli.ts'
import { assets, tiny } from './tiny-run.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fettle-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a second one is refused until the first lets go, and nothing is left', async () => {
  const first = await lockFolder(folder)
  await expect(lockFolder(folder)).rejects.toThrow(
    new RegExp(
      `a run that is under way here: process ${process.pid} on .*expected a folder that no other process`,
    ),
  )
  await first.release()
  await (await lockFolder(folder)).release()
  expect(await readdir(folder)).toEqual([])
})

test('of many that come at once exactly one gets it', async () => {
  for (let round = 0; round < 5; round++) {
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)))
    const got = all.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(got).toHaveLength(1)
    await got[0].release()
  }
})

test('a path too long for a socket is locked all the same', async () => {
  const long = join(folder, 'x'.repeat(150))
  await mkdir(long)
  const first = await lockFolder(long)
  await expect(lockFolder(long)).rejects.toThrow('a run that is under way here')
  await first.release()
  await (await lockFolder(long)).release()
})

test.each([
  ['{}', /^\S+: a run that is under way here; /],
  ['{"state":"held","pid":"x","host":"a","since":"b"}', /^\S+: a run that is under way here; /],
  ['{"state":"held","pid":5,"host":"a","since":"b"}', /: process 5 on a, since b; /],
])('a lock of another machine that says %s, and whose clock is ahead', async (text, message) => {
  const path = join(folder, '.lock-00000000-11111111-1111-1111-1111-111111111111')
  await writeFile(path, text)
  const time = new Date(Date.now() + 86_400_000)
  await utimes(path, time, time)
  await expect(lockFolder(folder)).rejects.toThrow(message)
  await expect(lockFolder(folder)).rejects.toThrow(`If the other machine is gone, remove ${path}.`)
})

test.each([
  ['of another machine, touched a moment ago', 0, 'a run that is under way here'],
  ['of another machine, not touched for two minutes', 120_000, undefined],
])('a lock %s', async (_, agoMs, message) => {
  const path = join(folder, '.lock-00000000-11111111-1111-1111-1111-111111111111')
  await writeFile(path, '')
  const time = new Date(Date.now() - agoMs)
  await utimes(path, time, time)
  const attempt = lockFolder(folder)
  if (message !== undefined) await expect(attempt).rejects.toThrow(message)
  else await (await attempt).release()
})

test('the lock of a process that was killed is none, that of one that sleeps is', async () => {
  const output = join(folder, 'run')
  const args = [
    join(assets, 'demo.jsonl'),
    '--model',
    tiny,
    '--output-dir',
    output,
    '--max-steps',
    '100000',
    '--json',
  ]
  const child = spawn(process.execPath, [cli, 'train', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  await expect(lockFolder(output)).rejects.toThrow(`process ${child.pid} on `)
  child.kill('SIGSTOP')
  await expect(lockFolder(output)).rejects.toThrow('a run that is under way here')
  child.kill('SIGKILL')
  await ended
  await (await lockFolder(output)).release()
})
