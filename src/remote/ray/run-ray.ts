import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FettleError, clipText } from '../../error.ts'
import type { Execute, TrainEvent } from '../../train/index.ts'
import { filesOf, isRunnerFile } from '../files.ts'
import { quotedForSh } from '../../shell-quoted.ts'
import { writeHandOff } from '../hand-off/write-hand-off.ts'
import { writeRemoteRecord } from '../record.ts'
import { createEventReader, linesOf } from '../run-events.ts'
import { pythonFolder } from '../../python.ts'
import { runnerArguments, stopFile, type RunnerOptions } from '../torch/run-torch.ts'
import { ConnectionError } from './http.ts'
import { createJobsClient, mostUploaded, type JobsClient } from './jobs-client.ts'
import { zipOf } from './zip.ts'

/** How a cluster is used. */
export interface RayOptions extends RunnerOptions {
  /** The interpreter of the cluster's machines; default python. */
  python?: string | undefined
  workers?: number | undefined
  /** Where the cluster finds the base model; default the same path. */
  remoteModel?: string | undefined
}

/** A job of a cluster. */
export interface RayJob {
  address: URL
  job: string
  /** The run's folder, as the cluster sees it. */
  output: string
}

/** What of this process's environment the workers get: how machines find each other. */
const passedOn = /^(GLOO_|NCCL_|RAY_TRAIN_|OMP_NUM_THREADS$|FETTLE_THREADS$|HF_HOME$)/

/** Runs on a Ray cluster: uploads runner and rows, starts a job of Ray Train, and reads its events. */
export function onRay(
  address: URL,
  { python = 'python', workers = 1, remoteModel, ...how }: RayOptions,
): Execute {
  return async function* (task) {
    const client = createJobsClient(address)
    await client.version()
    const { folder } = await writeHandOff(task)
    const output = resolve(task.folder.path)
    await rm(join(output, stopFile), { force: true })
    task.signal?.throwIfAborted()
    const { archive, hasRows } = await packed(folder)
    const working_dir = await client.upload(archive)
    const job = `fettle-${randomUUID()}`
    const model = remoteModel === undefined ? [] : ['--model', remoteModel]
    const command = [
      python,
      '-m',
      'fettle_runner.ray_job',
      hasRows ? 'hand-off' : resolve(folder),
      '--output',
      output,
      '--workers',
      String(workers),
      ...model,
      ...runnerArguments(how),
    ]
    await client.submit({
      entrypoint: command.map(quotedForSh).join(' '),
      submission_id: job,
      runtime_env: {
        working_dir,
        env_vars: Object.fromEntries(
          Object.entries(process.env).flatMap(([name, value]) =>
            passedOn.test(name) && value !== undefined ? [[name, value]] : [],
          ),
        ),
      },
      metadata: { fettle_run: task.folder.run.id },
    })
    await writeRemoteRecord(output, { on: 'ray', address: address.href, job, output })
    yield* rayEvents({ address, job, output }, task.folder.path, task.signal)
  }
}

/** The runner, and with it the hand-off where Ray takes both in one piece; else the cluster reads it from shared storage. */
async function packed(folder: string): Promise<{ archive: Buffer; hasRows: boolean }> {
  const most = mostUploaded * 0.95
  const runner = await filesOf(pythonFolder(), isRunnerFile)
  const rows = (await filesOf(folder)).map(({ name, path }) => ({ name: `hand-off/${name}`, path }))
  const both = await zipOf([...runner, ...rows], most)
  if (both) return { archive: both, hasRows: true }
  const archive = await zipOf(runner, most)
  if (!archive) throw new Error('the runner alone is too large')
  return { archive, hasRows: false }
}

/** A lost connection is made again for so long. */
const retryMs = 10 * 60_000

/**
 * The events of a job, from its first on, whoever started it. Aborted, it asks the workers to save and stop.
 *
 * @param folder  what an error names as the place to come back to
 * @throws FettleError (exit code 1) where the job fails, or the connection is lost for good: the run goes on then
 */
export async function* rayEvents(
  { address, job, output }: RayJob,
  folder: string,
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, void, undefined> {
  const client = createJobsClient(address)
  const reader = createEventReader()
  let [isAsked, ended] = [false, false]
  let waiting: NodeJS.Timeout | undefined
  const ask = (): void => {
    if (ended) return
    askToStop(client, output).then(
      () => (isAsked = true),
      // Once there is a connection again it is asked again.
      () => {},
    )
  }
  const stop = (): void => {
    // Where this machine has the workers' folder that is all; a job that leaves the file takes seconds to begin.
    writeFile(join(folder, stopFile), '').catch(() => {})
    waiting = setTimeout(ask, ownStopMs)
  }
  signal?.addEventListener('abort', stop)
  if (signal?.aborted === true) stop()
  let lostAt: number | undefined
  const read = (line: string): TrainEvent[] => {
    const event = reader.read(line)
    ended ||= event?.type === 'end'
    return event === undefined ? [] : [event]
  }
  try {
    for (;;) {
      if (signal?.aborted === true && lostAt !== undefined && !isAsked) ask()
      try {
        for await (const line of linesOf(client.logs(job))) {
          lostAt = undefined
          yield* read(line)
        }
        const { status, message } = await client.state(job)
        const isOver = status !== 'PENDING' && status !== 'RUNNING'
        // Ray's stream of a log breaks off on a busy machine, and may miss the last lines.
        if (!ended && status !== 'PENDING')
          for (const line of await logOf(client, job, isOver)) yield* read(line)
        if (ended) return
        if (status === 'STOPPED') throw failed(job, 'a job that was stopped', folder)
        if (isOver)
          throw failed(job, `${status}: ${clipText(message.trim().split('\n').at(-1) ?? '')}`, folder)
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        lostAt ??= performance.now()
        if (performance.now() - lostAt > retryMs) throw lost(error, folder)
      }
      await delay(1000)
    }
  } finally {
    clearTimeout(waiting)
    signal?.removeEventListener('abort', stop)
  }
}

/** The lines of a log; none where it cannot be had yet. */
async function logOf(client: JobsClient, job: string, isOver: boolean): Promise<string[]> {
  try {
    return (await client.log(job)).split('\n')
  } catch (error) {
    if (isOver || error instanceof ConnectionError) throw error
    return []
  }
}

/** In this time a run stops by the file that this machine leaves, if the workers see it. */
const ownStopMs = 8000

/** Leaves the file that workers look for: by way of the cluster, which may see other folders than this machine. */
async function askToStop(client: JobsClient, output: string): Promise<void> {
  await client.submit({
    entrypoint: `touch ${quotedForSh(join(output, stopFile))}`,
    submission_id: `fettle-stop-${randomUUID()}`,
    runtime_env: {},
  })
}

/** Ends a job at once; its last checkpoint stays. */
export async function cancelRay({ address, job }: Pick<RayJob, 'address' | 'job'>): Promise<void> {
  await createJobsClient(address).stop(job)
}

function failed(job: string, found: string, folder: string): FettleError {
  return new FettleError(
    {
      place: job,
      found,
      expected: 'events to the last one',
      cure: `ray job logs ${job} says more. --resume --output-dir ${folder} goes on from the last checkpoint.`,
    },
    { exitCode: 1 },
  )
}

function lost(error: FettleError, folder: string): FettleError {
  const [problem] = error.problems
  return new FettleError(
    { ...problem, cure: `The run goes on there. Come back to it with: fettle attach ${folder}` },
    { exitCode: 1, cause: error },
  )
}
