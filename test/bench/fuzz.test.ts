import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import type { Verdict } from '../../bench/fuzz/campaign.ts'
import { targets } from '../../bench/fuzz/targets/index.ts'

const root = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

beforeAll(async () => {
  await run('npx', ['tsdown', '-c', 'bench/tsdown.config.mjs', '--logLevel', 'warn'], { cwd: root })
}, 120_000)

/** The first of the 20,000 that `bench/run.sh fuzz` tries. One of a checkpoint resumes a run: forty times the time of reading a file. */
const counted = targets.map(({ name }) => ({ target: name, count: name === 'checkpoint' ? 100 : 250 }))

test.each(counted)(
  '$count mutations of $target: refused with a message or accepted, and nothing else',
  async ({ target, count }) => {
    const args = ['build/bench/fuzz.mjs', '--target', target, '--count', `${count}`, '--seed', '1', '--json']
    // Another file of tests computes beside this one: a case may take longer than the 5 s of a quiet machine.
    const { stdout } = await run(process.execPath, [...args, '--limit-ms', '20000'], {
      cwd: root,
      maxBuffer: 2 ** 26,
    }).catch((failed: { stdout: string }) => failed)
    const { cases, faults } = JSON.parse(stdout) as Verdict
    expect(faults).toEqual([])
    expect(cases).toBe(count)
  },
  300_000,
)
