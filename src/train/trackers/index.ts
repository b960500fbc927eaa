// Trackers: readers of a run's events that write them elsewhere. The event log is always there; others are named by report_to.
// They get the same stream as everybody, send in the background, and what goes wrong is said once, at the end.
import { join } from 'node:path'
import { FettleError } from '../../error.ts'
import { hubHome } from '../../hub/index.ts'
import { snakeCase, type TrainOptions } from '../options/index.ts'
import { createEventLog } from './event-log.ts'
import type { Tracker, TrackedRun } from './tracker.ts'
import type { TrackioOptions } from './trackio.ts'
import type { WandbOptions } from './wandb.ts'

export type { Tracker } from './tracker.ts'

type TrackerName = TrainOptions['reportTo'][number]
type Make = (run: TrackedRun) => Promise<Tracker>

/**
 * What makes the trackers of a run, once it has a folder; their programs are loaded then.
 *
 * @param logs  whether events.jsonl is one of them
 * @throws FettleError when one lacks what it needs, before anything is trained
 */
export function trackersOf(
  options: TrainOptions,
  environment: NodeJS.ProcessEnv = process.env,
  logs = true,
): (folder: string, runId: string) => Promise<Tracker[]> {
  const {
    MLFLOW_TRACKING_URI: uri,
    MLFLOW_EXPERIMENT_NAME: experiment = 'fettle',
    MLFLOW_TRACKING_TOKEN: token,
    FETTLE_WEBHOOK_URL: hook,
  } = environment
  const url = options.webhookUrl ?? hook
  const makers: { [N in TrackerName]: () => Make } = {
    tensorboard: () => async (run) => (await import('./tensorboard.ts')).createTensorBoard(run),
    mlflow: () => {
      const given = { uri: needed('mlflow', uri, 'MLFLOW_TRACKING_URI'), experiment, token }
      return async (run) => (await import('./mlflow.ts')).createMlflow(run, given)
    },
    wandb: () => async (run) => (await import('./wandb.ts')).createWandb(run, wandbOptions(environment)),
    trackio: () => {
      const given = trackioOptions(environment)
      if (given.server !== undefined) needed('trackio', given.server, 'TRACKIO_SERVER_URL')
      return async (run) => (await import('./trackio.ts')).createTrackio(run, given)
    },
    webhook: () => {
      const to = needed('webhook', url, 'webhook_url, or FETTLE_WEBHOOK_URL')
      return async (run) => (await import('./webhook.ts')).createWebhook(run, to)
    },
  }
  const wanted = new Set<TrackerName>([
    ...options.reportTo,
    ...(options.webhookUrl === undefined ? [] : (['webhook'] as const)),
  ])
  const makes = [...wanted].map((name) => makers[name]())
  const said = Object.fromEntries(
    Object.entries(options)
      .filter(([name, value]) => value !== undefined && !['data', 'evalData', 'webhookUrl'].includes(name))
      .map(([name, value]): [string, unknown] => [snakeCase(name), value]),
  )
  return async (folder, runId) => {
    const run = { folder, runId, options: said }
    return [...(logs ? [createEventLog(run)] : []), ...(await Promise.all(makes.map((make) => make(run))))]
  }
}

/** A variable that is set to something. */
const set = (value: string | undefined): string | undefined => (value === '' ? undefined : value)

function wandbOptions(environment: NodeJS.ProcessEnv): WandbOptions {
  const {
    WANDB_PROJECT: project,
    WANDB_ENTITY: entity,
    WANDB_NAME: name,
    WANDB_RUN_GROUP: group,
    WANDB_NOTES: notes,
    WANDB_TAGS: tags = '',
  } = environment
  return {
    project: set(project) ?? 'fettle',
    entity: set(entity),
    name: set(name),
    group: set(group),
    notes: set(notes),
    tags: tags.split(',').flatMap((tag) => set(tag.trim()) ?? []),
  }
}

function trackioOptions(environment: NodeJS.ProcessEnv): TrackioOptions {
  const { TRACKIO_PROJECT, TRACKIO_SERVER_URL, TRACKIO_WRITE_TOKEN, TRACKIO_DIR } = environment
  return {
    project: set(TRACKIO_PROJECT) ?? 'fettle',
    server: set(TRACKIO_SERVER_URL),
    writeToken: set(TRACKIO_WRITE_TOKEN),
    folder: set(TRACKIO_DIR) ?? join(hubHome(environment), 'trackio'),
  }
}

function needed(name: TrackerName, value: string | undefined, what: string): string {
  if (value !== undefined && URL.canParse(value)) return value
  throw new FettleError({
    place: 'report_to',
    found: `${name}, and ${value === undefined ? 'no address' : 'an address that is none'}`,
    expected: `the address of a server in ${what}`,
  })
}
