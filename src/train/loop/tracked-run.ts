import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../error.ts'
import { eventsFile, type TrainEvent } from '../events.ts'
import type { TrainOptions } from '../options/index.ts'
import type { RunFolder } from '../runs/index.ts'
import { trackersOf, type Tracker } from '../trackers/index.ts'

/**
 * The events of a run, whoever computes it, which its trackers read on their way. Where a run was begun again by itself, steps that were
 * made before are told to no tracker twice.
 *
 * @param logs  whether events.jsonl is to be written here: a runner that shares the folder writes it itself
 * @throws FettleError where a tracker lacks what it needs, before anything is trained
 */
export async function* trackedRun(
  folder: Pick<RunFolder, 'path' | 'run'>,
  options: TrainOptions,
  events: AsyncIterable<TrainEvent>,
  logs = true,
): AsyncGenerator<TrainEvent, void, undefined> {
  const make = trackersOf(options, process.env, logs)
  let trackers: Tracker[] | undefined
  /** The last step, and the last one before the run was begun again. */
  let [last, told] = [0, 0]
  let isPictured = true
  const closeAll = async (): Promise<string[]> => {
    const closing = trackers ?? []
    trackers = []
    const problems = await Promise.all(closing.map(async (each) => ({ each, problem: await each.close() })))
    return problems.flatMap(({ each, problem }) =>
      problem === undefined ? [] : [`${each.name}: ${problem}`],
    )
  }
  const picture = async (): Promise<string | undefined> => {
    isPictured = true
    if (!options.report || !existsSync(join(folder.path, eventsFile))) return undefined
    try {
      const { writeReport } = await import('../report/index.ts')
      await writeReport(folder.path)
      return undefined
    } catch (error) {
      return `report.html: ${messageOf(error)}`
    }
  }
  try {
    for await (const event of events) {
      if (event.type === 'start') {
        isPictured = false
        told = last
        trackers ??= await make(folder.path, folder.run.id)
      }
      const isOld = event.type === 'step' && event.step <= told
      if (event.type === 'step') last = event.step
      for (const tracker of isOld ? [] : (trackers ?? [])) tracker.record(event)
      if (event.type !== 'end') yield event
      else {
        const problems = await closeAll()
        const problem = await picture()
        if (problem !== undefined) problems.push(problem)
        yield problems.length > 0 ? { ...event, tracker_problems: problems } : event
      }
    }
  } finally {
    await closeAll()
    // A run that failed has a picture, too: it shows where.
    if (!isPictured) await picture()
  }
}
