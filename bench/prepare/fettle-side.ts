import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** What `fettle prepare --json` says last. */
export interface Prepared {
  rows: number
  examples: number
  tokens: number
  learned_tokens: number
  truncated_tokens: number
  rows_per_second: number
  prepared: { cache: string | null; reused: boolean; elapsed_ms: number }
}

/** What a run of the command took. */
export interface PrepareRun {
  prepared: Prepared
  /** From the start of the process to its end. */
  seconds: number
  /** The most memory that it had, in MiB, and when its model was loaded. */
  peakMib: number
}

/** Runs the command that a user runs, on these cores. */
export async function fettlePrepare(args: readonly string[], cores = '0,1'): Promise<PrepareRun> {
  const begun = performance.now()
  const child = spawn(
    'taskset',
    ['-c', cores, process.execPath, 'dist/cli.mjs', 'prepare', ...args, '--json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let peakMib = 0
  const watch = setInterval(() => {
    peakMib = Math.max(peakMib, peakOf(child.pid))
  }, 20)
  let last = ''
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; rows: number; remaining_ms: number | null }
    if (event.type === 'prepared') last = line
    else
      process.stderr.write(`\r${event.rows} rows, ${Math.round((event.remaining_ms ?? 0) / 1000)} s left   `)
    peakMib = Math.max(peakMib, peakOf(child.pid))
  }
  if (child.exitCode === null) await once(child, 'exit')
  clearInterval(watch)
  if (last === '') throw new Error(`fettle prepare ended with ${child.exitCode}`)
  return {
    prepared: JSON.parse(last) as Prepared,
    seconds: (performance.now() - begun) / 1000,
    peakMib: Math.round(peakMib),
  }
}

/** VmHWM of a process, in MiB: all of its threads share it. */
function peakOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
