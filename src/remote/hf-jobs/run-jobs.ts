import { openAsBlob } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FettleError } from '../../error.ts'
import type { Execute, TrainEvent, TrainingTask } from '../../train/index.ts'
import { filesOf, isRunnerFile } from '../files.ts'
import { writeHandOff } from '../hand-off/write-hand-off.ts'
import { writeRemoteRecord } from '../record.ts'
import { createEventReader } from '../run-events.ts'
import { pythonFolder } from '../../python.ts'
import type { RunnerOptions } from '../torch/run-torch.ts'
import { jobsToken, openHub, type Hub, type JobRequest } from './hub.ts'
import { costText, hardwareOf, isProcessor, planJob } from './plan-job.ts'

/** How a job is run. */
export interface JobsOptions extends RunnerOptions {
  /** The base model's name on the Hub. */
  remoteModel?: string | undefined
  /** After so many hours it is ended; default 4. */
  timeoutHours?: number | undefined
}

/** A machine of Hugging Face, chosen. */
export interface OpenedJobs {
  execute: Execute
  /** What it costs. */
  cost: string
  /** What would be sent. */
  request: JobRequest
}

/** @throws FettleError where there is no such machine, no token, or no model that the machine could load */
export async function onJobs(
  flavor: string,
  { remoteModel, timeoutHours = 4, ...options }: JobsOptions,
): Promise<OpenedJobs> {
  if (remoteModel === undefined || !/^[\w.-]+\/[\w.-]+$/.test(remoteModel))
    throw new FettleError({
      place: '--remote-model',
      found: remoteModel === undefined ? 'not given' : remoteModel,
      expected: "the base model's name on the Hub, such as HuggingFaceTB/SmolLM2-135M-Instruct",
      cure: 'A machine of Hugging Face reads the model from there.',
    })
  const token = jobsToken()
  const hub = await openHub()
  const hardware = hardwareOf(flavor, await hub.hardware())
  const namespace = await hub.user()
  const timeoutSeconds = Math.round(timeoutHours * 3600)
  const planned = (runId: string): { source: string; result: string; request: JobRequest } => {
    const source = `${namespace}/fettle-${runId.slice(0, 8)}-source`
    const result = `${namespace}/fettle-${runId.slice(0, 8)}`
    const plan = { hardware, model: remoteModel, source, result, token, timeoutSeconds, runId, options }
    return { source, result, request: planJob(plan) }
  }
  return {
    cost: costText(hardware, timeoutSeconds),
    request: { ...planned('<run id>').request, secrets: { HF_TOKEN: '…' } },
    async *execute(task) {
      const { id } = task.folder.run
      const { folder } = await writeHandOff(task)
      const { source, result, request } = planned(id)
      const files = isProcessor(hardware)
        ? await sourceFiles(task as unknown as TrainingTask)
        : await handedFiles(folder)
      task.signal?.throwIfAborted()
      await hub.upload({ type: 'dataset', name: source }, files)
      const job = await hub.run(namespace, request)
      await writeRemoteRecord(task.folder.path, { on: 'hf-jobs', namespace, job, result })
      yield* jobEvents(hub, { namespace, job, result }, task.signal)
    },
  }
}

interface Uploaded {
  path: string
  content: Blob
}

async function handedFiles(folder: string): Promise<Uploaded[]> {
  const runner = await filesOf(pythonFolder(), isRunnerFile)
  const rows = (await filesOf(folder)).map(({ name, path }) => ({ name: `hand-off/${name}`, path }))
  return Promise.all(
    [...runner, ...rows].map(async ({ name, path }) => ({ path: name, content: await openAsBlob(path) })),
  )
}

/** The run file and the data files of fettle itself. */
async function sourceFiles({ options }: TrainingTask): Promise<Uploaded[]> {
  const files: Uploaded[] = []
  const moved = async (sources: TrainingTask['options']['data']) =>
    Promise.all(
      sources.map(async (source) => {
        const path = 'path' in source ? source.path : undefined
        const found = typeof path === 'string' ? await stat(path).catch(() => undefined) : undefined
        if (typeof path === 'string' && found === undefined && /^[\w.-]+\/[\w.-]+$/.test(path)) return source
        if (typeof path !== 'string' || !found?.isFile())
          throw new FettleError({
            place: 'data',
            found: JSON.stringify(path ?? 'rows of a program'),
            expected: 'files, or names of data sets on the Hub, on a processor of Hugging Face',
            cure: 'Name each file, or take a GPU: tokens are uploaded then.',
          })
        const name = `data/${files.length}-${basename(path)}`
        files.push({ path: name, content: await openAsBlob(path) })
        return { ...source, path: `/source/${name}` }
      }),
    )
  const { evalData, data, ...rest } = options
  const given = {
    ...rest,
    data: await moved(data),
    ...(evalData && { evalData: await moved(evalData) }),
    model: '/model',
    outputDir: '/tmp/run',
    resumeFromCheckpoint: false,
  }
  // YAML reads JSON.
  files.push({ path: 'run.yaml', content: new Blob([JSON.stringify(given)]) })
  return files
}

/** The events of a job, from its first on. Aborted, it is cancelled: what was pushed stays. */
export async function* jobEvents(
  hub: Hub,
  { namespace, job, result }: { namespace: string; job: string; result: string },
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, void, undefined> {
  const reader = createEventReader()
  const stop = (): void => void hub.cancel(namespace, job).catch(() => {})
  signal?.addEventListener('abort', stop)
  if (signal?.aborted) stop()
  let ended = false
  let tries = 0
  const failed = (found: string) =>
    new FettleError(
      {
        place: `job ${job}`,
        found,
        expected: 'events to the last one',
        cure: `https://huggingface.co/jobs/${namespace}/${job} says more; what was pushed is in ${result}.`,
      },
      { exitCode: 1 },
    )
  try {
    for (;;) {
      reader.again()
      try {
        for await (const line of hub.logs(namespace, job)) {
          const event = reader.read(line)
          if (event === undefined) continue
          tries = 0
          ended ||= event.type === 'end'
          yield event.type === 'end' ? { ...event, output_dir: result } : event
        }
      } catch (error) {
        // A log that breaks off is read again; what the runner tells is an error of the run.
        if (error instanceof FettleError && error.cause === undefined) throw error
        if ((tries += 1) > 20) throw error
      }
      if (ended) return
      const { stage, message } = await hub.stage(namespace, job)
      if (signal?.aborted === true) throw failed('a job that was cancelled')
      if (stage === 'ERROR') throw failed(message === '' ? 'an error' : message)
      if (['COMPLETED', 'CANCELED', 'STOPPED', 'DELETED'].includes(stage)) throw failed(stage.toLowerCase())
      await delay(2000)
    }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
