import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { pythonEnvironment } from '../../python.ts'
import type { Execute, TrainEvent } from '../../train/index.ts'
import { writeHandOff } from '../hand-off/write-hand-off.ts'
import { createEventReader, linesOf } from '../run-events.ts'
import type { Target } from '../target.ts'
import { endGroup, groupOptions } from './process-group.ts'
import type { Python } from './python.ts'

/** How the runner computes; what is left out it decides. */
export interface RunnerOptions {
  parallel?: string | undefined
  attention?: string | undefined
}

type LocalTarget = Extract<Target, { kind: 'torch' | 'torchrun' }>

/** Runs on this machine with PyTorch: in one process, or in several that torchrun starts. */
export function onTorch(target: LocalTarget, python: Python, how: RunnerOptions): Execute {
  return async function* (task) {
    const { folder } = await writeHandOff(task)
    const output = task.folder.path
    await rm(join(output, stopFile), { force: true })
    const child = spawn(
      python.path,
      [
        ...programOf(target),
        folder,
        '--output',
        output,
        ...runnerArguments(how),
        '--parent',
        String(process.pid),
        '--exit-zero',
      ],
      // The terminal's Ctrl-C is for fettle, which tells it to stop.
      { env: pythonEnvironment(), stdio: ['ignore', 'pipe', 'pipe'], ...groupOptions() },
    )
    const kill = (): void => endGroup(child, 'SIGKILL')
    process.on('exit', kill)
    try {
      yield* eventsOf(child, output, task.signal)
    } finally {
      process.off('exit', kill)
      endGroup(child, 'SIGTERM')
    }
  }
}

/** What of a folder tells a runner to stop. */
export const stopFile = 'stop'

/** The program behind `python`. */
export function programOf(target: LocalTarget): string[] {
  if (target.kind === 'torch') return ['-m', 'fettle_runner']
  const { processes } = target
  return [
    '-m',
    'torch.distributed.run',
    '--standalone',
    `--nproc-per-node=${processes}`,
    '--max-restarts=3',
    '-m',
    'fettle_runner',
  ]
}

/** The options of the runner, after hand-off and output. */
export function runnerArguments({ parallel, attention }: RunnerOptions): string[] {
  return [
    ...(parallel === undefined ? [] : ['--parallel', parallel]),
    ...(attention === undefined ? [] : ['--attention', attention]),
  ]
}

async function* eventsOf(
  child: ChildProcess,
  output: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('no streams')
  const log = createWriteStream(join(output, 'runner.log'), { flags: 'a' })
  // What comes on stdout goes there, too, maybe after the last of stderr.
  stderr.pipe(log, { end: false })
  const ended = new Promise<{ code: number | null; by: NodeJS.Signals | null; error?: Error }>((resolve) => {
    child.on('error', (error) => resolve({ code: null, by: null, error }))
    child.on('close', (code, by) => resolve({ code, by }))
  })
  const reader = createEventReader()
  let hasBegun = false
  let hasEnded = false
  const stop = (): void => {
    // Until it has begun there is nothing to save.
    if (!hasBegun) endGroup(child, 'SIGTERM')
    else writeFile(join(output, stopFile), '').catch(() => endGroup(child, 'SIGTERM'))
  }
  signal?.addEventListener('abort', stop)
  try {
    for await (const line of linesOf(stdout.setEncoding('utf8'))) {
      const event = reader.read(line)
      if (event === undefined) {
        log.write(`${line}\n`)
        continue
      }
      hasBegun ||= event.type === 'start'
      hasEnded ||= event.type === 'end'
      yield event
    }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
  const { code, by, error } = await ended
  log.end()
  if (hasEnded) return
  if (!hasBegun) signal?.throwIfAborted()
  throw new FettleError(
    {
      place: 'fettle_runner',
      found: error?.message ?? (by === null ? `an end with exit code ${code}` : `an end by ${by}`),
      expected: 'events to the last one',
      cure:
        by === 'SIGKILL'
          ? 'The system ends processes that take its memory: see gradient_checkpointing, max_length and quantization. --resume goes on from the last checkpoint.'
          : `${join(output, 'runner.log')} says more. --resume goes on from the last checkpoint.`,
    },
    { exitCode: 1, cause: error },
  )
}
