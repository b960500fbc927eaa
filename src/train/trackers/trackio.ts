import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import type { SampleEvent, TrainEvent } from '../events.ts'
import { createSender, requestJson } from './sender.ts'
import { createAttempts, scalarsOf, type Tracker, type TrackedRun } from './tracker.ts'

/** What Trackio's own variables say. */
export interface TrackioOptions {
  /** TRACKIO_PROJECT */
  project: string
  /** TRACKIO_SERVER_URL, which may hold its write_token; without it what Trackio keeps on this machine is added to. */
  server?: string | undefined
  /** TRACKIO_WRITE_TOKEN */
  writeToken?: string | undefined
  /** TRACKIO_DIR */
  folder: string
}

/** A row as Trackio takes it. */
interface LogEntry {
  project: string
  run: string
  run_id: string
  metrics: Readonly<Record<string, unknown>>
  step: number
  timestamp: string
  config: Readonly<Record<string, unknown>> | null
  /** Of two with the same one the second is left out. */
  log_id: string
}

/** Milliseconds between two files. */
const pauseMs = 2000

/**
 * A run of Trackio: by the HTTP interface of its server, or, without one, by files in its inbox, which `trackio show` reads in. A run that
 * goes on adds to the same one; a step that it makes again has the same log_id, and is not there twice. Answers are a table.
 * Source: fragments.py and server.py of PyPI trackio
 */
export function createTrackio(run: TrackedRun, given: TrackioOptions): Tracker {
  const { server } = given
  const entryOf = createEntries(run, given.project)
  return server === undefined ? toInbox(entryOf, given.folder) : toServer(entryOf, server, given.writeToken)
}

type EntryOf = (event: TrainEvent) => LogEntry[]

function createEntries({ folder, runId, options }: TrackedRun, project: string): EntryOf {
  let isFirst = true
  return (event) => {
    const metrics = { ...scalarsOf(event), ...(event.type === 'sample' && { samples: tableOf(event) }) }
    if (!('step' in event) || Object.keys(metrics).length === 0) return []
    const config = isFirst ? options : null
    isFirst = false
    return [
      {
        project,
        run: basename(folder),
        run_id: runId,
        metrics,
        step: event.step,
        timestamp: new Date().toISOString(),
        config,
        log_id: `${runId}-${event.type}-${event.step}`,
      },
    ]
  }
}

/** A table as Trackio's own Table writes it. */
function tableOf({ samples }: SampleEvent): object {
  return { _type: 'trackio.table', _value: samples.map(({ prompt, text }) => ({ prompt, text })) }
}

/** Whole files of some rows each, as `trackio` leaves them to whoever opens its data base next. */
function toInbox(entryOf: EntryOf, folder: string): Tracker {
  const attempts = createAttempts()
  const inbox = join(folder, 'inbox', randomUUID().replaceAll('-', '').slice(0, 16))
  let waiting: LogEntry[] = []
  let files = 0
  let writtenAt = performance.now()
  const write = (): void => {
    if (waiting.length === 0) return
    const lines = waiting.map((entry) => `${JSON.stringify({ v: 1, kind: 'metric', ...entry })}\n`)
    waiting = []
    writtenAt = performance.now()
    // The reader removes a folder when it is empty.
    mkdirSync(inbox, { recursive: true })
    const file = join(inbox, `${String(files++).padStart(8, '0')}.jsonl`)
    writeFileSync(`${file}.tmp`, lines.join(''))
    renameSync(`${file}.tmp`, file)
  }
  return {
    name: 'trackio',
    record(event) {
      waiting.push(...entryOf(event))
      if (performance.now() - writtenAt > pauseMs) attempts.attempt(write)
    },
    async close() {
      attempts.attempt(write)
      return attempts.problem
    },
  }
}

function toServer(entryOf: EntryOf, server: string, writeToken: string | undefined): Tracker {
  const url = new URL(server)
  const token = writeToken ?? url.searchParams.get('write_token') ?? undefined
  const address = `${url.origin}${url.pathname.replace(/\/+$/, '')}/api/bulk_log`
  const headers: Record<string, string> = token === undefined ? {} : { 'x-trackio-write-token': token }
  const sender = createSender<LogEntry>(async (logs) => {
    const answer = await requestJson(address, {
      body: { args: [], kwargs: { logs, hf_token: null } },
      headers,
    })
    const error: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'error') : null
    if (typeof error === 'string') throw new Error(error.slice(0, 200))
  })
  return {
    name: 'trackio',
    record: (event) => entryOf(event).forEach(sender.add),
    close: sender.close,
  }
}
