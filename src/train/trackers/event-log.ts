import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { eventsFile } from '../events.ts'
import { createAttempts, type Tracker, type TrackedRun } from './tracker.ts'

/** Appends each event with its time; a run that goes on appends to what it wrote before. */
export function createEventLog({ folder }: TrackedRun): Tracker {
  const attempts = createAttempts()
  const { attempt } = attempts
  let file: number | undefined
  attempt(() => (file = openSync(join(folder, eventsFile), 'a')))
  return {
    name: eventsFile,
    record(event) {
      const line = `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`
      attempt(() => file !== undefined && writeSync(file, line))
    },
    async close() {
      attempt(() => file !== undefined && closeSync(file))
      file = undefined
      return attempts.problem
    },
  }
}
