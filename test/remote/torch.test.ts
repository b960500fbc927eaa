import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { defaultPython, pythonEnvironment } from '../../src/python.ts'
import { commandFor } from '../../src/remote/index.ts'
import { readTarget } from '../../src/remote/target.ts'
import { endGroup, groupOptions } from '../../src/remote/torch/process-group.ts'
import { findPython } from '../../src/remote/torch/python.ts'
import { onTorch } from '../../src/remote/torch/run-torch.ts'
import { train, type TrainEvent } from '../../src/train/index.ts'
import { makeWorkplace } from '../cli/tiny-model.ts'
import { inputOf } from './handed.ts'

let workplace: string
beforeAll(async () => {
  workplace = await makeWorkplace()
})
afterAll(() => rm(workplace, { recursive: true }))

/** A program that stands for Python. */
async function stand(name: string, script: string): Promise<string> {
  const path = join(workplace, name)
  await writeFile(path, ['#!/bin/sh', script, ''].join('\n'))
  await chmod(path, 0o755)
  return path
}

const all = '"torch": "2.9.0", "transformers": "5.1.0", "peft": "0.18.0", "safetensors": "0.6.0"'

test.each([
  [
    'nothing installed',
    '{"python": "3.12"}',
    /torch: not installed; expected 2\.6 or newer\. .*-m pip install -U torch transformers peft safetensors/,
  ],
  [
    'an old version',
    `{"python": "3.12", ${all.replace('5.1.0', '4.40.2')}}`,
    /transformers: 4\.40\.2; expected 4\.56 or newer/,
  ],
  ['an old Python', `{"python": "3.8", ${all}}`, /python: 3\.8; expected 3\.10 or newer/],
])('%s: what is missing, and how to install it', async (name, answer, message) => {
  const python = await stand(`python-${name.replaceAll(' ', '-')}`, `echo '${answer}'`)
  await expect(findPython(python)).rejects.toThrow(message)
})

test('bitsandbytes is asked for where the base is held in few bits only', async () => {
  const python = await stand('python-without', `echo '{"python": "3.12", ${all}}'`)
  expect((await findPython(python)).versions['torch']).toBe('2.9.0')
  await expect(findPython(python, true)).rejects.toThrow(/bitsandbytes: not installed/)
})

test('no Python at all', async () => {
  await expect(findPython(join(workplace, 'none'))).rejects.toThrow(/no such program.*--python ~\/venv/)
})

test.each<[string, NodeJS.Platform, string[], string, string[]]>([
  ['Windows', 'win32', ['python', 'py'], 'python', ['python']],
  ['Windows with the launcher only', 'win32', ['py'], 'py', ['python', 'py']],
  ['Windows without any', 'win32', [], 'python', ['python', 'py']],
  ['others', 'linux', [], 'python3', []],
])('what Python is called on %s', async (_, platform, there, name, asked) => {
  const seen: string[] = []
  const runs = async (each: string) => (seen.push(each), there.includes(each))
  expect(await defaultPython(platform, runs)).toBe(name)
  expect(seen).toEqual(asked)
})

test('Python is told to read and write UTF-8, and where the runner is', () => {
  const { PYTHONPATH, PYTHONUTF8 } = pythonEnvironment({ PYTHONPATH: '/mine' })
  expect(PYTHONPATH?.split(delimiter)).toEqual([join(import.meta.dirname, '..', '..', 'python'), '/mine'])
  expect(PYTHONUTF8).toBe('1')
})

describe('a group of processes', () => {
  const there = { pid: 41, exitCode: null, signalCode: null }

  test('on Windows is ended by taskkill, with all that it started', () => {
    const run = vi.fn()
    endGroup(there, 'SIGTERM', 'win32', run)
    expect(run).toHaveBeenCalledExactlyOnceWith('taskkill', ['/pid', '41', '/t', '/f'])
    endGroup({ ...there, exitCode: 0 }, 'SIGTERM', 'win32', run)
    endGroup({ ...there, pid: undefined }, 'SIGTERM', 'win32', run)
    expect(run).toHaveBeenCalledOnce()
    // No window, and no console that it shares with fettle: Ctrl-C is for fettle.
    expect(groupOptions('win32')).toEqual({ windowsHide: true })
  })

  test.skipIf(process.platform === 'win32')('elsewhere by a signal', async () => {
    const child = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], groupOptions())
    const [started] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    endGroup(child, 'SIGTERM')
    expect((await once(child, 'close')).at(1)).toBe('SIGTERM')
    // Nobody may have waited for it yet.
    await vi.waitFor(() => expect(isRunning(Number(started))).toBe(false), 5000)
  })
})

/** Whether a process is there, and no zombie. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

const hasPython = spawnSync('python3', ['--version']).status === 0
test.skipIf(!hasPython)('what the runner asks the system', () => {
  const cwd = join(import.meta.dirname, '..', '..', 'python')
  const { status, stderr } = spawnSync('python3', ['-B', '-m', 'unittest', 'tests.test_system'], {
    cwd,
    encoding: 'utf8',
  })
  expect(stderr).toMatch(/Ran [1-9]\d* tests/)
  expect(status).toBe(0)
})

async function eventsBy(script: string, output: string, stop?: AbortController): Promise<TrainEvent[]> {
  const path = await stand(`runner-${output}`, script)
  const execute = onTorch({ kind: 'torch' }, { path, versions: {} }, { parallel: 'fsdp' })
  const input = await inputOf(
    workplace,
    { maxSteps: 1, outputDir: join(workplace, output), report: false },
    execute,
  )
  const events: TrainEvent[] = []
  for await (const event of train({ ...input, ...(stop && { signal: stop.signal }) })) {
    events.push(event)
    if (event.type === 'start') stop?.abort()
  }
  return events
}

const line = (seq: number, event: object) =>
  `echo '${JSON.stringify({ time: 't', seq, attempt: 1, ...event })}'`

test('the runner is started with hand-off and run, and its events are those of the run', async () => {
  const script = [
    'echo "$@" >&2',
    'echo Loading weights',
    line(1, { type: 'start', first_step: 0 }),
    line(2, { type: 'step', step: 1 }),
    line(2, { type: 'step', step: 1 }),
    line(3, { type: 'end', step: 1, interrupted: false }),
  ].join('\n')
  const events = await eventsBy(script, 'told')
  expect(events.map(({ type }) => type)).toEqual(['start', 'step', 'end'])
  const log = await readFile(join(workplace, 'told', 'runner.log'), 'utf8')
  expect(log).toContain(
    `-m fettle_runner ${workplace}/told/hand-off --output ${workplace}/told --parallel fsdp --parent`,
  )
  expect(log).toContain('Loading weights')
})

test('Ctrl-C leaves a file that asks the runner to stop', async () => {
  const stop = new AbortController()
  const wait = `while [ ! -e ${workplace}/stopped/stop ]; do sleep 0.02; done`
  const script = [
    line(1, { type: 'start', first_step: 0 }),
    wait,
    line(2, { type: 'end', interrupted: true }),
  ].join('\n')
  const events = await eventsBy(script, 'stopped', stop)
  expect(events.at(-1)).toEqual({ type: 'end', interrupted: true })
})

test.each([
  ['an end without a word', 'exit 3', /an end with exit code 3.*runner\.log says more/],
  ['an end by the system', 'kill -9 $$', /an end by SIGKILL.*gradient_checkpointing/],
  [
    'what it tells',
    line(1, { type: 'error', place: 'step 3', found: 'loss nan', cure: 'Lower learning_rate.' }),
    /step 3: loss nan\. Lower learning_rate\./,
  ],
])('%s is an error with its cure', async (name, script, message) => {
  await expect(eventsBy(script, `failed-${name.replaceAll(' ', '-')}`)).rejects.toThrow(message)
})

test.each([
  ['torch', { kind: 'torch' }],
  ['torchrun:4', { kind: 'torchrun', processes: 4 }],
  ['hf-jobs:l4x1', { kind: 'hf-jobs', flavor: 'l4x1' }],
  ['ray://head', { kind: 'ray', address: new URL('http://head:8265') }],
  ['rays://head:443', { kind: 'ray', address: new URL('https://head') }],
])('--on %s', (given, target) => {
  expect(readTarget(given)).toEqual(target)
})

test.each(['cuda', 'torchrun', 'torchrun:0', 'torchrun:x', 'ray:head', 'hf-jobs:', 'ray://'])(
  '--on %s is refused',
  (given) => {
    expect(() => readTarget(given)).toThrow(
      /--on: .*expected torch, torchrun:4, ray:\/\/host:8265 or hf-jobs:l4x1/,
    )
  },
)

test.each(['torchrun', 'slurm', 'skypilot', 'kubeflow'] as const)(
  'a command for %s names hand-off and run',
  (scheduler) => {
    const text = commandFor(scheduler, {
      handOff: '/s/run 1/hand-off',
      output: '/s/run 1',
      model: '/m',
      nodes: 2,
      gpus: 8,
      parallel: 'fsdp',
    })
    expect(text).toContain(
      "-m fettle_runner '/s/run 1/hand-off' --output '/s/run 1' --model /m --parallel fsdp",
    )
    expect(text).toContain('8')
  },
)

test('torchrun over two machines asks for the first one', () => {
  const input = { handOff: '/s/run/hand-off', output: '/s/run', model: '/m', gpus: 4 }
  const text = commandFor('torchrun', { ...input, nodes: 2 })
  expect(text).toContain('--nnodes=2 --nproc-per-node=4')
  expect(text).toContain('--rdzv-id=run --rdzv-endpoint="$HEAD:29500"')
  expect(commandFor('torchrun', { ...input, nodes: 1 })).toContain('--standalone --nproc-per-node=4')
})
