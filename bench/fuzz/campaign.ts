import { fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FaultKind, Outcome } from './target.ts'
import type { Assignment, Report } from './worker.ts'

export interface Fault {
  number: number
  fault: FaultKind
  detail: string
}

/** What became of a target's cases. */
export interface Verdict {
  target: string
  cases: number
  accepted: number
  refused: number
  slowestMs: number
  faults: Fault[]
}

export interface Campaign {
  target: string
  seed: number
  from: number
  count: number
  /** Processes beside each other. */
  jobs: number
  folder: string
  /** A case without an answer after this time hangs. */
  limitMs: number
  python?: string | undefined
}

/** Where the built worker lies: beside the built program. */
const workerPath = fileURLToPath(new URL('./fuzz-worker.mjs', import.meta.url))
/** Time for a worker to load its seeds. */
const openingMs = 120_000

/** Runs a target's cases in processes that are replaced when they end, hang or grow. */
export async function runCampaign(campaign: Campaign): Promise<Verdict> {
  const { target, from, count, jobs } = campaign
  const verdict: Verdict = { target, cases: 0, accepted: 0, refused: 0, slowestMs: 0, faults: [] }
  await Promise.all(
    Array.from({ length: jobs }, async (_, job) => {
      let next = from + job
      while (next < from + count) next = await runWorker(campaign, job, next, verdict)
    }),
  )
  verdict.faults.sort((a, b) => a.number - b.number)
  return verdict
}

/** Runs one worker until its cases are done or it has to be replaced; gives the number where the next one begins. */
function runWorker(campaign: Campaign, job: number, from: number, verdict: Verdict): Promise<number> {
  const { target, seed, jobs: stride, limitMs, python } = campaign
  const end = campaign.from + campaign.count
  const folder = join(campaign.folder, `${target}-${job}`)
  const assignment: Assignment = {
    target,
    seed,
    from,
    end,
    stride,
    folder,
    ...(python !== undefined && { python }),
  }
  const child = fork(workerPath, [JSON.stringify(assignment)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString()}`.slice(-2000)
  })
  return new Promise((resolve, reject) => {
    let current: number | undefined
    let next = from
    let timer = setTimeout(() => child.kill('SIGKILL'), openingMs)
    let isHanging = false
    let isReplaced = false
    const tally = (number: number, outcome: Outcome) => {
      verdict.cases += 1
      if (outcome.kind === 'fault')
        verdict.faults.push({ number, fault: outcome.fault, detail: outcome.detail })
      else verdict[outcome.kind] += 1
      next = number + stride
      current = undefined
      // A process that has grown would hide the next growth.
      if (outcome.kind === 'fault' && outcome.fault === 'growth') {
        isReplaced = true
        child.kill('SIGKILL')
      }
    }
    child.on('message', (report: Report) => {
      clearTimeout(timer)
      // The next worker does what this one may have begun.
      if (isReplaced) return
      if (report.kind === 'begin') {
        current = report.number
        timer = setTimeout(() => {
          isHanging = true
          child.kill('SIGKILL')
        }, limitMs)
      } else if (report.kind === 'end') {
        verdict.slowestMs = Math.max(verdict.slowestMs, report.elapsedMs)
        tally(report.number, report.outcome)
      }
    })
    // Not when it exits: what it said last may not have been read by then.
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (current !== undefined)
        tally(current, {
          kind: 'fault',
          fault: isHanging ? 'hang' : 'process end',
          detail: isHanging
            ? `no answer in ${limitMs} ms`
            : `exit ${code ?? signal ?? ''}: ${words.slice(-500)}`,
        })
      else if (next === from && code !== 0) reject(new Error(`${target}: the worker did not begin: ${words}`))
      resolve(next)
    })
    child.on('error', reject)
  })
}
