import { createReadStream, existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { FettleError } from '../../error.ts'
import { eventsFile } from '../events.ts'
import type { EndEvent, EvalEvent, SampleEvent, StartEvent, StepEvent, TrainEvent } from '../events.ts'

/** What a run's events tell, one after the other. */
export interface RunEvents {
  /** Of its folder. */
  name: string
  start: StartEvent | undefined
  steps: StepEvent[]
  evaluations: EvalEvent[]
  samples: SampleEvent[]
  end: EndEvent | undefined
  /** Lines that are no events. */
  unread: number
}

/** A line longer than this is no event of ours. */
const longestLine = 1 << 22

/**
 * Reads a run's events.jsonl. Where the run went on from an earlier step, what it did after that step before does not count.
 *
 * @param path  the run's folder, or the file
 * @throws FettleError when there is none
 */
export async function readRunEvents(path: string): Promise<RunEvents> {
  const isFile = /\.jsonl$/i.test(path)
  const file = isFile ? path : join(path, eventsFile)
  if (!existsSync(file))
    throw new FettleError({
      place: path,
      found: `no ${eventsFile}`,
      expected: 'the folder of a run of fettle train',
    })
  const name = basename(resolve(isFile ? join(path, '..') : path))
  const run: RunEvents = {
    name,
    start: undefined,
    steps: [],
    evaluations: [],
    samples: [],
    end: undefined,
    unread: 0,
  }
  for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })) {
    const event = line.length <= longestLine ? eventOf(line) : undefined
    if (event) take(run, event)
    else if (line.trim() !== '') run.unread += 1
  }
  return run
}

function eventOf(line: string): TrainEvent | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const isEvent =
      typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
    return isEvent ? (value as TrainEvent) : undefined
  } catch {
    // The last line of a process that was killed while it wrote.
    return undefined
  }
}

function take(run: RunEvents, event: TrainEvent): void {
  switch (event.type) {
    case 'start': {
      const from = Number(event.first_step) || 0
      run.start = event
      run.end = undefined
      run.steps = run.steps.filter(({ step }) => step <= from)
      // What was evaluated before the first step is evaluated again where a run begins anew.
      run.evaluations = run.evaluations.filter(({ step }) => step <= from && from > 0)
      run.samples = run.samples.filter(({ step }) => step <= from && from > 0)
      break
    }
    case 'step':
      if (Number.isFinite(event.step)) run.steps.push(event)
      break
    case 'eval':
      if (Number.isFinite(event.step)) run.evaluations.push(event)
      break
    case 'sample':
      if (Array.isArray(event.samples)) run.samples.push(event)
      break
    case 'end':
      run.end = event
      break
    case 'checkpoint':
  }
}
