import { spawn } from 'node:child_process'
import { existsSync, readdirSync, watch } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** When a run is killed: at any time, before its first step, while a checkpoint is written, or while one is removed. */
export const moments = ['any', 'preparing', 'saving', 'pruning'] as const

export type Moment = (typeof moments)[number]

/** A run that is killed and goes on. */
export interface KillTrial {
  /** Runs `fettle train` with these. */
  command: readonly string[]
  args: readonly string[]
  folder: string
  moment: Moment
  /** From 0 on, below 1; decides the time. */
  random: () => number
  /** What an uninterrupted run takes, and how long of that it prepares. */
  totalMs: number
  preparingMs: number
}

/** What a trial gave. */
export interface KillOutcome {
  /** What lay in the folder when the process was dead, as it is called there. */
  left: string[]
  killed: boolean
  /** Whether it went on from a checkpoint, or began anew. */
  resumed: boolean
  adapter: Buffer
  /** What the second process said on stderr, and its exit code. */
  stderr: string
  code: number | null
}

/**
 * Kills a run with SIGKILL, then lets it go on to its end: from its newest checkpoint, or anew where there is none yet.
 */
export async function killAndResume(trial: KillTrial): Promise<KillOutcome> {
  const { folder, command, args } = trial
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  const train = ['train', ...args, '--output-dir', folder, '--json']
  const killed = await runAndKill([...command, ...train], trial)
  const left = readdirSync(folder).toSorted()
  const resumed = left.some((name) => /^checkpoint-\d+(\.replaced)?$/.test(name))
  const rest = await run([...command, ...train, ...(resumed ? ['--resume'] : [])])
  const adapter = join(folder, 'adapter_model.safetensors')
  return {
    left,
    killed,
    resumed,
    adapter: existsSync(adapter) ? await readFile(adapter) : Buffer.alloc(0),
    ...rest,
  }
}

/** Whether the process was killed before it had ended. */
function runAndKill([file, ...args]: readonly string[], trial: KillTrial): Promise<boolean> {
  const { moment, random, totalMs, preparingMs, folder } = trial
  const child = spawn(file, args, { stdio: 'ignore' })
  const kill = () => child.kill('SIGKILL')
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(folder)
  if (moment === 'any') timer = setTimeout(kill, random() * totalMs)
  else if (moment === 'preparing') timer = setTimeout(kill, random() * preparingMs)
  else {
    // A checkpoint is given its name just before an older one is removed.
    const wanted = moment === 'saving' ? /\.unfinished$/ : /^checkpoint-\d+(\.removed)?$/
    let others = Math.floor(random() * 12)
    watcher.on('change', (_, name) => {
      if (timer !== undefined || !wanted.test(String(name))) return
      if (others-- > 0) return
      const delayMs = moment === 'saving' ? random() * 20 : random() * 2 - 1
      if (delayMs < 0) kill()
      else timer = setTimeout(kill, delayMs)
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (_, signal) => {
      clearTimeout(timer)
      watcher.close()
      resolve(signal === 'SIGKILL')
    })
  })
}

/** Runs a command to its end. */
export function run([file, ...args]: readonly string[]): Promise<{
  code: number | null
  stdout: string
  stderr: string
}> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...said }))
  })
}

/** What a folder showed of what the process was doing. */
export function phaseOf(left: readonly string[]): string {
  if (left.some((name) => name.endsWith('.removed'))) return 'removing a checkpoint'
  if (left.some((name) => name.endsWith('.replaced'))) return 'replacing a checkpoint'
  if (left.some((name) => name.endsWith('.unfinished'))) return 'writing a checkpoint'
  if (left.some((name) => name.endsWith('.tmp') || name === 'tokenizer.json')) return 'writing the result'
  return left.includes('run.json') ? 'training' : 'preparing'
}
