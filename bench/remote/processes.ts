import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What this program started and has to end: by these ids, and by no names. */
const started: ChildProcess[] = []

/** Starts a program that stays; what it prints goes to a file. */
export function startProgram(
  command: string,
  args: readonly string[],
  log: string,
  environment: Record<string, string> = {},
): ChildProcess {
  const file = openSync(log, 'a')
  const child = spawn(command, [...args], {
    stdio: ['ignore', file, file],
    env: { ...process.env, ...environment },
  })
  started.push(child)
  return child
}

/** The process and all that came of it, now. */
export function treeOf(pid: number): number[] {
  const parents = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1])
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)])
    } catch {
      // It ended meanwhile.
    }
  }
  const all = [pid]
  for (let i = 0; i < all.length; i += 1) all.push(...(parents.get(all[i]) ?? []))
  return all
}

/** What a process is called, with its arguments. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

/** A value of a process's environment. */
export function environmentOf(pid: number, name: string): string | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)
  } catch {
    return undefined
  }
}

export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** Ends what was started with all that came of it: the ids are read before, since Ray's processes outlive their parents. */
export async function endPrograms(): Promise<void> {
  const trees = started.splice(0).flatMap(({ pid }) => (pid === undefined ? [] : treeOf(pid)))
  for (const pid of trees) killNow(pid)
  await delay(500)
}
