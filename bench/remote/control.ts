import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createJobsClient } from '../../src/remote/ray/jobs-client.ts'
import { readRemoteRecord } from '../../src/remote/record.ts'
import type { Cluster } from './cluster.ts'
import { runFettle, type Run } from './run-fettle.ts'
import { check, longSteps, outputOf, runArgs, same, train, type Trial } from './trial.ts'

/** Enough that a run is under way until somebody has come back to it, on a busy machine, too. */
const steps = 5 * longSteps

/** Ctrl-C once and twice, a terminal that closes, attach and cancel, on a cluster; what is gone on with ends with the same bits. */
export async function control(trial: Trial, model: string, cluster: Cluster): Promise<void> {
  const args = [
    ...runArgs(trial, model, trial.data, steps),
    '--on',
    `ray://${cluster.address.host}`,
    '--workers',
    '2',
    '--no-report',
  ]
  const client = createJobsClient(cluster.address)
  /** Begins a run, and sends signals to fettle after its third step. */
  const begin = async (name: string, ...signals: NodeJS.Signals[]): Promise<Run> => {
    const output = outputOf(trial, name)
    rmSync(output, { recursive: true, force: true })
    let isSent = false
    return runFettle(['train', ...args, '--output-dir', output], output, {}, (event, pid) => {
      if (isSent || event.type !== 'step' || Number(event.step) < 3) return
      isSent = true
      // A second one counts after 300 ms.
      signals.forEach((signal, i) => setTimeout(() => process.kill(pid, signal), i * 400))
    })
  }
  const goOn = async (output: string): Promise<Run> =>
    runFettle(['train', ...args, '--output-dir', output, '--resume'], output)
  const statusOf = async (output: string): Promise<string> => {
    const { job } = await readRemoteRecord(output)
    // Ray takes seconds to end what it was told to end.
    for (let i = 0; i < 30 && (await client.state(job)).status === 'RUNNING'; i += 1) await delay(1000)
    return (await client.state(job)).status
  }

  const stopped = await begin('ctrl-c', 'SIGINT')
  const end = stopped.events.at(-1)
  const isSaved = existsSync(join(stopped.output, `checkpoint-${end?.step}`, 'adapter_model.safetensors'))
  const isStopped = end?.interrupted === true && Number(end.step) < steps && stopped.code === 130
  check(
    trial,
    'Ctrl-C on Ray: checkpoint, exit 130',
    isStopped && isSaved,
    `step ${end?.step}, ${stopped.code}, ${isSaved}`,
  )

  const left = await begin('cancelled', 'SIGHUP')
  const cancelled = await runFettle(['attach', left.output, '--cancel'], left.output)
  const status = await statusOf(left.output)
  check(trial, 'attach --cancel', cancelled.code === 0 && status === 'STOPPED', status)
  const after = await runFettle(['attach', left.output], left.output)
  const isTold = after.code === 1 && /was stopped.*--resume/.test(after.errors)
  check(trial, 'attach to what was cancelled', isTold, after.errors.trim())

  const twice = await begin('ctrl-c twice', 'SIGINT', 'SIGINT')
  const at = await statusOf(twice.output)
  check(trial, 'Ctrl-C twice', twice.code === 130 && at === 'STOPPED', `${twice.code}, ${at}`)

  const away = await begin('ctrl-c in attach', 'SIGHUP')
  let isSent = false
  const back = await runFettle(['attach', away.output], away.output, {}, (event, pid) => {
    if (isSent || event.type !== 'step') return
    isSent = true
    process.kill(pid, 'SIGINT')
  })
  const last = back.events.at(-1)
  check(
    trial,
    'Ctrl-C in attach',
    back.code === 130 && last?.interrupted === true,
    `step ${last?.step}, ${back.code}`,
  )

  const calm = await train(trial, 'calm', args, ['--parallel', 'ddp'])
  await rest(trial, 'Ctrl-C, then --resume', calm, stopped, await goOn(stopped.output))
  await rest(trial, 'cancelled, then --resume', calm, left, await goOn(left.output))
  const closed = await begin('closed', 'SIGHUP')
  const attached = await runFettle(['attach', closed.output], closed.output)
  const seen = [...attached.steps.keys()]
  const isAll = seen.length === steps && seen[0] === 1 && attached.code === 0
  check(
    trial,
    'terminal closed, then attach: all events',
    closed.code === null && isAll,
    `${seen.length} steps`,
  )
  await same(trial, 'terminal closed, then attach', calm, attached)
}

/** What was gone on with: its first steps are those before, and nobody saw those between a terminal that closed and a cancel. */
async function rest(trial: Trial, name: string, calm: Run, before: Run, after: Run): Promise<void> {
  if (after.code !== 0) return check(trial, name, false, after.errors.trim())
  const seen = new Map([...before.steps, ...after.steps])
  const told = new Map([...calm.steps].filter(([step]) => seen.has(step)))
  await same(trial, name, { ...calm, steps: told }, { ...after, steps: seen })
}
