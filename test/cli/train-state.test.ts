import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { killAndResume, moments, run as runToEnd } from '../../bench/kill/killed-run.ts'
import { createRandom } from '../../src/random.ts'
import { cli, jsonLines, runCli, startCli } from './run-cli.ts'
import { makeWorkplace } from './tiny-model.ts'

let cwd: string
beforeAll(async () => {
  cwd = await makeWorkplace()
})
afterAll(() => rm(cwd, { recursive: true }))

const small = (folder: string) =>
  `--model model --engine reference --max-length 64 --per-device-train-batch-size 1 --lora-r 2 --output-dir ${folder}`.split(
    ' ',
  )
const long = (folder: string) => ['train', 'train.jsonl', ...small(folder), '--max-steps', '4000', '--json']
const checkpoints = (folder: string) =>
  readdirSync(join(cwd, folder)).filter((name) => name.startsWith('checkpoint-'))

/** Starts a run and does something at its third step; what it said, and how it ended. */
async function atThirdStep(
  args: readonly string[],
  act: (child: ReturnType<typeof startCli>) => void,
  environment: Record<string, string> = {},
) {
  const child = startCli(args, { cwd, environment })
  const said = { stdout: '', stderr: '' }
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const before = said.stdout
    said.stdout += text
    const third = '"step","step":3,'
    if (!before.includes(third) && said.stdout.includes(third)) act(child)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, ...said }
}

test.each(['SIGTERM', 'SIGHUP'] as const)(
  '%s saves a checkpoint and stops, however often it comes',
  async (signal) => {
    const folder = signal.toLowerCase()
    const { code, stdout } = await atThirdStep(long(folder), (child) => {
      child.kill(signal)
      setTimeout(() => child.kill(signal), 5)
    })
    expect(code).toBe(130)
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'end', interrupted: true })
    expect(checkpoints(folder)).toHaveLength(1)
  },
)

test.skipIf(process.platform === 'win32')('Ctrl-Break saves a checkpoint and stops', async () => {
  // Only Windows sends it: here the process tells it to itself, as Node does there.
  const preload = join(cwd, 'ctrl-break.mjs')
  writeFileSync(preload, "process.on('SIGUSR2', () => process.emit('SIGBREAK', 'SIGBREAK'))")
  const environment = { NODE_OPTIONS: `--import ${pathToFileURL(preload)}` }
  const once = await atThirdStep(long('break'), (child) => child.kill('SIGUSR2'), environment)
  expect(once.code).toBe(130)
  expect(jsonLines(once.stdout).at(-1)).toMatchObject({ type: 'end', interrupted: true })
  expect(checkpoints('break')).toHaveLength(1)
})

test('one Ctrl-C that comes twice, as under npx, is one', async () => {
  const { code, stdout } = await atThirdStep(long('twice'), (child) => {
    child.kill('SIGINT')
    setTimeout(() => child.kill('SIGINT'), 5)
  })
  expect(code).toBe(130)
  expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'end', interrupted: true })
})

test.each([
  ['rows', 'large.jsonl', (row: string) => `${row}\n`.repeat(40_000)],
  ['one JSON list', 'large.json', (row: string) => `[${Array<string>(40_000).fill(row).join(',')}]`],
])('Ctrl-C ends at once while data is prepared: %s', async (_, name, text) => {
  const row = JSON.stringify({
    messages: [
      { role: 'user', content: 'What is the sea? '.repeat(40) },
      { role: 'assistant', content: 'Much water. '.repeat(60) },
    ],
  })
  writeFileSync(join(cwd, name), text(row))
  const child = startCli(['train', name, ...small('never')], { cwd })
  const ended = new Promise((resolve) => child.on('exit', () => resolve(performance.now())))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const asked = performance.now()
  child.kill('SIGINT')
  expect(Number(await ended) - asked).toBeLessThan(1000)
  expect(existsSync(join(cwd, 'never', 'run.json'))).toBe(false)
})

test('a second process in the same folder is refused', async () => {
  let second: ReturnType<typeof runCli> | undefined
  const first = atThirdStep(long('shared'), (child) => {
    second = runCli([...long('shared'), '--resume'], { cwd })
    void second.finally(() => child.kill('SIGINT'))
  })
  const { code } = await first
  expect(code).toBe(130)
  const refused = await second
  expect(refused?.code).toBe(2)
  // It may have come before the first checkpoint.
  expect(refused?.stderr).toMatch(/a run that is under way here: process \d+|no checkpoint in shared/)
  const other = await runCli(long('shared'), { cwd })
  expect(other.stderr).toContain('another run')
})

test.skipIf(!existsSync('/dev/full'))('output that cannot be written: the run is saved, exit 1', async () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [cli, ...long('full')], {
    cwd,
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  })
  closeSync(full)
  expect(stderr).toContain('stdout: no space left on the device')
  expect(status).toBe(1)
  expect(checkpoints('full')).toHaveLength(1)
})

test('the command that goes on is said with the folder that nobody named', async () => {
  const args = ['train', 'train.jsonl', ...small('x').slice(0, -2), '--save-steps', '0', '--max-steps']
  const child = startCli([...args, '4000'], { cwd })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!stdout.includes('step 2/') && (stdout + text).includes('step 2/')) child.kill('SIGINT')
    stdout += text
  })
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130)
  const folder = /✔ saved {5}(runs\/\S+-model)\n/.exec(stdout)?.[1]
  expect(stdout).toContain(`--resume ${folder}`)
  const resumed = await runCli([...args, '100', '--resume', '--extend', '--json'], { cwd })
  expect(jsonLines(resumed.stdout)[0]).toMatchObject({ output_dir: folder, steps: 100 })
})

test('killed with -9 at any moment, a run goes on to the same bytes', { timeout: 120_000 }, async () => {
  const command = [process.execPath, cli]
  const shape =
    '--engine reference --max-length 64 --per-device-train-batch-size 1 --lora-r 2 --lora-dropout 0.1'
  const saving = '--max-steps 24 --save-steps 2 --save-total-limit 2'
  const files = [join(cwd, 'train.jsonl'), '--model', join(cwd, 'model')]
  const args = [...files, ...`${shape} ${saving}`.split(' ')]
  const whole = join(cwd, 'whole')
  const begun = performance.now()
  const { stdout } = await runToEnd([...command, 'train', ...args, '--output-dir', whole, '--json'])
  const totalMs = performance.now() - begun
  const preparingMs = totalMs - Number(jsonLines(stdout).at(-1)?.['elapsed_ms'])
  const expected = await readFile(join(whole, 'adapter_model.safetensors'))
  const random = createRandom(1)
  for (const moment of [...moments, 'any', 'pruning'] as const) {
    const folder = join(cwd, 'killed')
    const trial = { command, args, folder, moment, random, totalMs, preparingMs }
    const { code, adapter, stderr, left } = await killAndResume(trial)
    expect({ code, stderr, left, isEqual: adapter.equals(expected) }).toMatchObject({
      code: 0,
      isEqual: true,
    })
  }
})
