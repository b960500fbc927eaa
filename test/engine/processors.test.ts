import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { processorLimit, processorsHere } from '../../src/engine/native/processors.ts'

const place = mkdtempSync(join(tmpdir(), 'fettle-processors-'))
afterAll(() => rmSync(place, { recursive: true }))

/** A system with these files. */
function systemWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(place, 'root-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

const two = 'sys/fs/cgroup'
const one = 'sys/fs/cgroup/cpu,cpuacct'
it.each([
  ['no control groups', {}, undefined],
  ['no limit', { 'proc/self/cgroup': '0::/\n', [`${two}/cpu.max`]: 'max 100000\n' }, undefined],
  ['a container of 2.5', { 'proc/self/cgroup': '0::/\n', [`${two}/cpu.max`]: '250000 100000\n' }, 2.5],
  [
    'the smallest of groups in groups',
    {
      'proc/self/cgroup': '0::/user.slice/a.scope\n',
      [`${two}/user.slice/cpu.max`]: '100000 100000\n',
      [`${two}/user.slice/a.scope/cpu.max`]: '400000 100000\n',
    },
    1,
  ],
  [
    'version 1',
    {
      'proc/self/cgroup': '5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n',
      [`${one}/cpu.cfs_quota_us`]: '150000\n',
      [`${one}/cpu.cfs_period_us`]: '100000\n',
    },
    1.5,
  ],
  [
    'version 1 without a limit',
    {
      'proc/self/cgroup': '4:cpu,cpuacct:/\n',
      [`${one}/cpu.cfs_quota_us`]: '-1\n',
      [`${one}/cpu.cfs_period_us`]: '100000\n',
    },
    undefined,
  ],
] as const)('%s', (_, files, limit) => {
  expect(processorLimit(systemWith(files))).toBe(limit)
})

it('counts at least one processor and no more than there are', () => {
  expect(processorsHere()).toBeGreaterThanOrEqual(1)
  expect(processorsHere()).toBeLessThanOrEqual(availableParallelism())
})
