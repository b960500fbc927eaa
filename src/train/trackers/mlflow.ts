import { basename } from 'node:path'
import type { TrainEvent } from '../events.ts'
import { createSender, requestJson } from './sender.ts'
import { scalarsOf, type Tracker, type TrackedRun } from './tracker.ts'

/** What MLflow's own variables say. */
export interface MlflowOptions {
  /** MLFLOW_TRACKING_URI */
  uri: string
  /** MLFLOW_EXPERIMENT_NAME */
  experiment: string
  /** MLFLOW_TRACKING_TOKEN */
  token?: string | undefined
}

/** An event, and when it came. */
interface Timed {
  event: TrainEvent
  timestamp: number
}

/** Parameters that a request takes, and characters of one. */
const [mostParams, longestParam] = [100, 500]
/** Metrics that a request takes. */
const mostMetrics = 1000

/**
 * A run of MLflow, by its REST interface 2.0: options as parameters, numbers as metrics. A run that goes on adds to the same one; steps
 * that it made before, and makes again to the same bits, are there already.
 */
export function createMlflow({ folder, runId, options }: TrackedRun, given: MlflowOptions): Tracker {
  const api = `${given.uri.replace(/\/+$/, '')}/api/2.0/mlflow`
  const headers: Record<string, string> =
    given.token === undefined ? {} : { authorization: `Bearer ${given.token}` }
  const post = (path: string, body: unknown) => requestJson(`${api}/${path}`, { body, headers })
  let started: Promise<string> | undefined
  /** The last step of each metric that was there before, and the step that the run goes on from. */
  const before = new Map<string, number>()
  let firstStep = 0
  const sender = createSender<Timed>(async (items) => {
    started ??= begin()
    const id = await started.catch((error: unknown) => {
      started = undefined
      throw error
    })
    await log(id, items)
    const end = items.find(({ event }) => event.type === 'end')
    if (end?.event.type === 'end')
      await post('runs/update', {
        run_id: id,
        status: end.event.interrupted ? 'KILLED' : 'FINISHED',
        end_time: end.timestamp,
      })
  })
  return {
    name: 'mlflow',
    record(event) {
      if (event.type === 'start') firstStep = event.first_step
      sender.add({ event, timestamp: Date.now() })
    },
    close: sender.close,
  }

  async function log(id: string, items: readonly Timed[]): Promise<void> {
    const metrics = items
      .flatMap(({ event, timestamp }) =>
        Object.entries(scalarsOf(event)).map(([key, value]) => ({
          // MLflow knows letters, digits and _-./: and spaces.
          key: key.replaceAll(/[^\w\-./: ]/g, '_').slice(0, 250),
          value,
          timestamp,
          step: 'step' in event ? event.step : 0,
        })),
      )
      .filter(({ key, step }) => step > (before.get(key) ?? -1))
    for (let at = 0; at < metrics.length; at += mostMetrics)
      await post('runs/log-batch', { run_id: id, metrics: metrics.slice(at, at + mostMetrics) })
  }

  async function begin(): Promise<string> {
    const id = await openRun()
    if (firstStep === 0) return id
    // What a process that was killed did not come to send.
    const { readRunEvents } = await import('../report/run-events.ts')
    const { steps, evaluations } = await readRunEvents(folder)
    const earlier = [...steps, ...evaluations].filter(({ step }) => step <= firstStep)
    await log(
      id,
      earlier.map((event) => ({ event, timestamp: Date.now() })),
    )
    return id
  }

  async function openRun(): Promise<string> {
    const experiment = await experimentId()
    const own = await runBefore(experiment)
    if (own !== undefined) {
      await post('runs/update', { run_id: own, status: 'RUNNING' })
      return own
    }
    const created = await post('runs/create', {
      experiment_id: experiment,
      run_name: basename(folder),
      start_time: Date.now(),
      tags: [{ key: 'fettle.run_id', value: runId }],
    })
    const id = textAt(created, 'run', 'info', 'run_id')
    const params = Object.entries(options).map(([key, value]) => ({
      key,
      value: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, longestParam),
    }))
    for (let at = 0; at < params.length; at += mostParams)
      await post('runs/log-batch', { run_id: id, params: params.slice(at, at + mostParams) })
    return id
  }

  /** The run, where it was begun before; its parameters stay what they were then. */
  async function runBefore(experiment: string): Promise<string | undefined> {
    const found = await post('runs/search', {
      experiment_ids: [experiment],
      filter: `tags.\`fettle.run_id\` = '${runId}'`,
      max_results: 1,
    })
    const runs = valueAt(found, 'runs')
    if (!Array.isArray(runs) || runs.length === 0) return undefined
    const metrics = valueAt(runs[0], 'data', 'metrics')
    for (const metric of Array.isArray(metrics) ? metrics : [])
      before.set(String(valueAt(metric, 'key')), Number(valueAt(metric, 'step') ?? 0))
    return textAt(runs[0], 'info', 'run_id')
  }

  async function experimentId(): Promise<string> {
    const query = `experiments/get-by-name?experiment_name=${encodeURIComponent(given.experiment)}`
    const found = await requestJson(`${api}/${query}`, { method: 'GET', headers }).catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith('404')) return undefined
      throw error
    })
    if (found !== undefined) return textAt(found, 'experiment', 'experiment_id')
    return textAt(await post('experiments/create', { name: given.experiment }), 'experiment_id')
  }
}

function textAt(value: unknown, ...path: readonly string[]): string {
  const found = valueAt(value, ...path)
  if (typeof found !== 'string') throw new Error(`an answer without ${path.join('.')}`)
  return found
}

function valueAt(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    value,
  )
}
