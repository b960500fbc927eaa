import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createRandom } from '../src/random.ts'
import { readSource, repeated, writeLines } from './prepare/make-rows.ts'

/* kill -9 at random moments of preparing: what the next run has must be, byte for byte, what a run that nobody killed has. */

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    model: { type: 'string', default: 'assets/tiny-llama' },
    data: { type: 'string', default: 'assets/demo.jsonl' },
    rows: { type: 'string', default: '60000' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'fettle-prepare-kill-'))
const data = join(folder, 'data.jsonl')
const args = ['dist/cli.mjs', 'prepare', '--model', values.model, '--data', data, '--cache-dir']

function start(cache: string) {
  return spawn(process.execPath, [...args, cache, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Whether a run to the end found what was there, and what it has. */
async function finish(cache: string): Promise<{ reused: boolean; names: string[]; contents: string[] }> {
  const child = start(cache)
  let text = ''
  for await (const part of child.stdout) text += String(part)
  const { prepared } = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as {
    prepared: { reused: boolean }
  }
  const entries = join(cache, 'prepared')
  const names = readdirSync(entries)
  const entry = join(entries, names[0])
  const contents = readdirSync(entry).map((name) => readFileSync(join(entry, name), 'latin1'))
  return { reused: prepared.reused, names, contents }
}

try {
  await writeLines(data, repeated(await readSource(values.data)), { rows: Number(values.rows) })
  const begun = performance.now()
  const whole = await finish(join(folder, 'whole'))
  const totalMs = performance.now() - begun
  const random = createRandom(Number(values.seed))
  const counts = { killed: 0, equal: 0, reused: 0 }
  for (let i = 0; i < Number(values.count); i++) {
    const cache = join(folder, `cache${i}`)
    const child = start(cache)
    await wait(random() * 1.1 * totalMs)
    if (child.kill('SIGKILL')) counts.killed++
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const after = await finish(cache)
    counts.reused += Number(after.reused)
    const isEqual =
      after.names.join() === whole.names.join() &&
      after.contents.every((text, at) => text === whole.contents[at])
    if (!isEqual) console.error(`cache ${i} is another one: ${after.names.join(', ')}`)
    counts.equal += Number(isEqual)
    rmSync(cache, { recursive: true })
  }
  console.log(JSON.stringify({ count: Number(values.count), ...counts, seconds: totalMs / 1000 }))
} finally {
  rmSync(folder, { recursive: true })
}
