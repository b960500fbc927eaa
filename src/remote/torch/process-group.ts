import { spawnSync, type ChildProcess } from 'node:child_process'

/**
 * How a process is started that only fettle ends, not the terminal's Ctrl-C: in a group of its own, on Windows with a hidden console of its
 * own, which what it starts shares. (Detached there, each of those would open a window.)
 */
export function groupOptions(platform: NodeJS.Platform = process.platform) {
  return platform === 'win32' ? { windowsHide: true } : { detached: true }
}

/** Ends such a process and what it started; at once on Windows, where programs without a window hear nothing else. */
export function endGroup(
  { pid, exitCode, signalCode }: Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode'>,
  by: NodeJS.Signals,
  platform: NodeJS.Platform = process.platform,
  run: (program: string, args: readonly string[]) => void = runHidden,
): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  if (platform === 'win32') {
    run('taskkill', ['/pid', String(pid), '/t', '/f'])
    return
  }
  try {
    process.kill(-pid, by)
  } catch {
    // It is gone.
  }
}

/** Waits for it: this process may be about to end. */
function runHidden(program: string, args: readonly string[]): void {
  spawnSync(program, args, { stdio: 'ignore', windowsHide: true })
}
