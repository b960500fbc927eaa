import { setTimeout as delay } from 'node:timers/promises'
import { trackedRun, type Execute, type TrainEvent } from '../train/index.ts'
import { openHub } from './hf-jobs/hub.ts'
import { jobEvents, onJobs, type JobsOptions } from './hf-jobs/run-jobs.ts'
import { createJobsClient } from './ray/jobs-client.ts'
import { cancelRay, onRay, rayEvents, type RayOptions } from './ray/run-ray.ts'
import { readRemoteRecord } from './record.ts'
import { readTarget } from './target.ts'
import { findPython } from './torch/python.ts'
import { onTorch } from './torch/run-torch.ts'

/** What is said beside `--on`. */
export interface RemoteOptions extends RayOptions, JobsOptions {
  /** Whether the base is held in few bits. */
  quantized?: boolean | undefined
}

/** Where a run is carried out. */
export interface OpenedTarget {
  execute: Execute
  /** What is to be said before: what it costs. */
  notices: readonly string[]
  /** What would be sent, where that can be shown. */
  request?: object | undefined
  /** Ends it at once, where it would go on without this process; what is to be said where that is not sure. */
  end?: () => Promise<string | undefined>
}

/**
 * What carries runs out where `--on` says; it is asked for what it needs before anything is prepared.
 *
 * @throws FettleError where something is missing, or cannot be reached
 */
export async function openTarget(on: string, options: RemoteOptions): Promise<OpenedTarget> {
  const target = readTarget(on)
  const { quantized, ...how } = options
  switch (target.kind) {
    case 'torch':
    case 'torchrun':
      return { execute: tracked(onTorch(target, await findPython(how.python, quantized), how)), notices: [] }
    case 'ray':
      await createJobsClient(target.address).version()
      return { ...elsewhere(tracked(onRay(target.address, how))), notices: [] }
    case 'hf-jobs': {
      const { execute, cost, request } = await onJobs(target.flavor, how)
      return { ...elsewhere(tracked(execute, true)), notices: [cost], request }
    }
  }
}

/**
 * The run's trackers read its events on this side, as if it were computed here.
 *
 * @param logs  whether events.jsonl is written here: a runner that has the run's folder does that itself
 */
function tracked(execute: Execute, logs = false): Execute {
  return (task) => trackedRun(task.folder, task.options, execute(task), logs)
}

/** Whoever presses Ctrl-C twice does not wait for long. */
const longestEndMs = 10_000

function elsewhere(execute: Execute): Pick<OpenedTarget, 'execute' | 'end'> {
  let folder = (): string | undefined => undefined
  return {
    execute(task) {
      folder = () => task.folder.path
      return execute(task)
    },
    async end() {
      const path = folder()
      if (path === undefined) return undefined
      const unsure = `The job may go on there. Look with fettle attach ${path}, or end it with --cancel.`
      const ended = cancel(path).then(
        () => undefined,
        () => unsure,
      )
      return Promise.race([ended, delay(longestEndMs, unsure)])
    },
  }
}

/**
 * The events of a run that is computed elsewhere, from its first on.
 *
 * @param folder  of the run, here
 * @throws FettleError where the folder is of no such run, as `train` does otherwise
 */
export async function* attach(
  folder: string,
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, void, undefined> {
  const record = await readRemoteRecord(folder)
  if (record.on === 'ray') yield* rayEvents({ ...record, address: new URL(record.address) }, folder, signal)
  else yield* jobEvents(await openHub(), record, signal)
}

/** Ends the job of a run at once; its last checkpoint stays. */
export async function cancel(folder: string): Promise<void> {
  const record = await readRemoteRecord(folder)
  if (record.on === 'ray') await cancelRay({ ...record, address: new URL(record.address) })
  else await (await openHub()).cancel(record.namespace, record.job)
}
