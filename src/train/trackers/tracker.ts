import { messageOf } from '../../error.ts'
import type { TrainEvent } from '../events.ts'

/** A reader of a run's events that writes them somewhere. It never slows or breaks training: `record` only notes what is to be written. */
export interface Tracker {
  /** As in report_to. */
  readonly name: string
  record(event: TrainEvent): void
  /**
   * Writes what is left.
   *
   * @returns what went wrong first, if anything did
   */
  close(): Promise<string | undefined>
}

/** What a tracker knows of its run before the first event. */
export interface TrackedRun {
  /** The run's folder. */
  folder: string
  runId: string
  /** The options by their names in run files, as JSON has them. */
  options: Readonly<Record<string, unknown>>
}

/** Does work that may fail, and keeps what went wrong first. */
export function createAttempts(): { attempt(work: () => void): void; readonly problem: string | undefined } {
  let problem: string | undefined
  return {
    attempt(work) {
      try {
        work()
      } catch (error) {
        problem ??= messageOf(error)
      }
    },
    get problem() {
      return problem
    },
  }
}

/** The numbers of an event by the names that transformers' trackers give them: `train/loss`, `eval/loss`. */
export function scalarsOf(event: TrainEvent): Record<string, number> {
  if (event.type !== 'step' && event.type !== 'eval') return {}
  const { type, step: _, metrics = {}, sources = {}, ...own } = event
  const prefix = type === 'step' ? 'train' : 'eval'
  const ofSources = Object.entries(sources).map(([name, { loss }]) => [`loss/${name}`, loss])
  const named = { ...own, ...metrics, ...(Object.fromEntries(ofSources) as Record<string, number>) }
  return Object.fromEntries(
    Object.entries(named)
      .filter((entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]))
      .map(([name, value]) => [`${prefix}/${name}`, value]),
  )
}
