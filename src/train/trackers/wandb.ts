import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { renameSync, writeFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { SampleEvent, TrainEvent } from '../events.ts'
import { fileHeader, frameRecord, readRecords } from './leveldb-log.ts'
import { bytesField, bytesOf, integerField, intOf, joined, textField } from '../../formats/index.ts'
import { createAttempts, scalarsOf, type Tracker, type TrackedRun } from './tracker.ts'

/** What Weights & Biases' own variables say. */
export interface WandbOptions {
  /** WANDB_PROJECT */
  project: string
  /** WANDB_ENTITY */
  entity?: string | undefined
  /** WANDB_NAME */
  name?: string | undefined
  /** WANDB_RUN_GROUP */
  group?: string | undefined
  /** WANDB_NOTES */
  notes?: string | undefined
  /** WANDB_TAGS */
  tags?: readonly string[] | undefined
}

/** Fields of Record, of wandb_internal.proto. */
const records = { history: 2, summary: 3, config: 5, files: 6, run: 17, exit: 18, header: 21 } as const

/** What Python says of a process that Ctrl-C ended. */
const interruptedCode = 255

/**
 * A run as Weights & Biases keeps it without a network: `wandb/offline-run-…/run-….wandb` in the run's folder, which `wandb sync` uploads.
 * A run that goes on appends to it, less what it did after the step that it goes on from. Answers are tables.
 * Source: wandb_internal.proto of PyPI wandb
 */
export function createWandb(
  { folder, runId, options }: TrackedRun,
  given: WandbOptions,
  now: () => number = Date.now,
): Tracker {
  const attempts = createAttempts()
  const { attempt } = attempts
  let file: number | undefined
  let size = 0
  let count = 0
  let exitCode = 1
  let begun = now()
  /** The numbers of a step, until another one comes: training and evaluation are one row. */
  let row: { step: number; values: Record<string, unknown> } | undefined
  const summary = new Map<string, unknown>()
  /** Where files are that history names. */
  let files = ''

  const write = (kind: keyof typeof records, content: Uint8Array): void => {
    if (file === undefined) return
    count += 1
    const bytes = frameRecord(joined([integerField(1, count), bytesField(records[kind], content)]), size)
    size += bytes.length
    writeSync(file, bytes)
  }
  const writeRow = (): void => {
    if (!row) return
    const { step, values } = row
    row = undefined
    const seconds = now() / 1000
    const own = { _step: step, _timestamp: seconds, _runtime: seconds - begun / 1000 }
    const all = { ...values, 'train/global_step': step, ...own }
    for (const [name, value] of Object.entries(all)) summary.set(name, value)
    write('history', joined([...itemsOf(all), bytesField(2, integerField(1, step))]))
  }
  /** Answers as a table in a file of its own, as wandb.Table is logged; returns what history says of it. */
  const writeTable = ({ step, samples }: SampleEvent): Record<string, unknown> => {
    const columns = ['prompt', 'text']
    const text = JSON.stringify({ columns, data: samples.map((sample) => [sample.prompt, sample.text]) })
    const sha256 = createHash('sha256').update(text).digest('hex')
    const path = `media/table/samples_${step}_${sha256.slice(0, 20)}.table.json`
    mkdirSync(join(files, dirname(path)), { recursive: true })
    writeFileSync(join(files, path), text)
    // policy NOW, type MEDIA
    write('files', bytesField(1, joined([textField(1, path), integerField(3, 2)])))
    const size = Buffer.byteLength(text)
    return { _type: 'table-file', path, sha256, size, ncols: columns.length, nrows: samples.length }
  }
  const begin = (firstStep: number): void => {
    const place = placeOf(folder, runId, begun)
    files = join(dirname(place), 'files')
    const kept = existsSync(place) ? keptRecords(readFileSync(place), firstStep) : []
    const isNew = kept.length === 0
    const parts: Uint8Array[] = [fileHeader]
    size = fileHeader.length
    for (const record of kept) {
      const bytes = frameRecord(record, size)
      parts.push(bytes)
      size += bytes.length
    }
    count = kept.reduce((most, record) => Math.max(most, intOf(record, 1) ?? 0), 0)
    writeFileSync(`${place}.tmp`, Buffer.concat(parts))
    renameSync(`${place}.tmp`, place)
    file = openSync(place, 'a')
    size = fstatSync(file).size
    const config = joined([...itemsOf(options)])
    if (isNew) {
      write('header', bytesField(1, joined([textField(1, 'fettle'), textField(2, '0.13.0')])))
      write('run', runRecord(config))
    } else write('config', config)
  }
  const runRecord = (config: Uint8Array): Uint8Array => {
    const { project, entity, name = basename(folder), group, notes, tags = [] } = given
    const texts: [number, string | undefined][] = [
      [1, runId],
      [2, entity],
      [3, project],
      [6, group],
      [8, name],
      [9, notes],
      [13, hostname()],
    ]
    const startTime = joined([
      integerField(1, Math.floor(begun / 1000)),
      integerField(2, Math.floor(begun % 1000) * 1e6),
    ])
    return joined([
      ...texts.flatMap(([field, text]) => (text === undefined ? [] : [textField(field, text)])),
      bytesField(4, config),
      ...tags.map((tag) => textField(10, tag)),
      bytesField(17, startTime),
    ])
  }

  return {
    name: 'wandb',
    record(event: TrainEvent) {
      if (event.type === 'start') {
        begun = now()
        attempt(() => begin(event.first_step))
      }
      if (event.type === 'end') exitCode = event.interrupted ? interruptedCode : 0
      if (event.type !== 'step' && event.type !== 'eval' && event.type !== 'sample') return
      if (row && row.step !== event.step) attempt(writeRow)
      const { step } = event
      row = { step, values: { ...row?.values, ...scalarsOf(event) } }
      if (event.type === 'sample') attempt(() => row && (row.values['samples'] = writeTable(event)))
    },
    async close() {
      attempt(() => {
        writeRow()
        write('summary', joined([...itemsOf(Object.fromEntries(summary))]))
        const runtime = Math.floor((now() - begun) / 1000)
        write('exit', joined([integerField(1, exitCode), integerField(2, runtime)]))
      })
      attempt(() => file !== undefined && closeSync(file))
      file = undefined
      return attempts.problem
    },
  }
}

/** Items of history, summary and config: a key, and its value as JSON. */
function itemsOf(values: Readonly<Record<string, unknown>>): Uint8Array[] {
  return Object.entries(values).map(([key, value]) =>
    bytesField(1, joined([textField(1, key), textField(16, JSON.stringify(value ?? null))])),
  )
}

/** The file of a run: the one that it has in this folder, else a new one. */
function placeOf(folder: string, runId: string, begun: number): string {
  const root = join(folder, 'wandb')
  mkdirSync(root, { recursive: true })
  const isOwn = (name: string): boolean => name.startsWith('offline-run-') && name.endsWith(`-${runId}`)
  const own = readdirSync(root).find(isOwn)
  const time = new Date(begun).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')
  const place = join(root, own ?? `offline-run-${time}-${runId}`)
  mkdirSync(join(place, 'files'), { recursive: true })
  return join(place, `run-${runId}.wandb`)
}

/** What of a file stays where the run goes on from a step: not what came after that, and not that it ended. */
function keptRecords(bytes: Uint8Array, firstStep: number): Uint8Array[] {
  return readRecords(bytes).filter((record) => {
    if (bytesOf(record, records.exit) || bytesOf(record, records.summary)) return false
    const history = bytesOf(record, records.history)
    const step = history && bytesOf(history, 2)
    return step === undefined || (intOf(step, 1) ?? 0) <= firstStep
  })
}
