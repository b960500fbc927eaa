import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../error.ts'
import { eventsFile } from '../events.ts'
import type { Tracker, TrackedRun } from './tracker.ts'

/** Appends each event with its time; a run that goes on appends to what it wrote before. */
export function createEventLog({ folder }: TrackedRun): Tracker {
  let problem: string | undefined
  let file: number | undefined
  const attempt = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      problem ??= messageOf(error)
    }
  }
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
      return problem
    },
  }
}
