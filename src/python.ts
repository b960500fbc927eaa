import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { packageFolder } from './version.ts'

/** The Python of an environment that was made in the user's folder, as a message or the help names one. */
export const venvPython =
  process.platform === 'win32' ? String.raw`~\venv\Scripts\python` : '~/venv/bin/python'

/** What Python is called. Windows has no python3, and `py` where only the launcher is in PATH. */
export function pythonNames(
  platform: NodeJS.Platform = process.platform,
): readonly [string, ...(readonly string[])] {
  return platform === 'win32' ? ['python', 'py'] : ['python3']
}

/**
 * The Python that is taken where none is named: the first that runs, or the first name where none does. On Windows `python` may be
 * no Python but a pointer to the Microsoft Store, which ends with an error.
 *
 * @param runs  for tests, as the platform
 */
export async function defaultPython(
  platform: NodeJS.Platform = process.platform,
  runs: (name: string) => Promise<boolean> = isPython,
): Promise<string> {
  const names = pythonNames(platform)
  if (names.length > 1) for (const name of names) if (await runs(name)) return name
  return names[0]
}

function isPython(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(name, ['-c', ''], { timeout: 30_000, windowsHide: true }, (error) => resolve(error === null))
  })
}

/** Where fettle's package has what it runs in Python. */
export function pythonFolder(): string {
  return join(packageFolder(), 'python')
}

/** The environment in which Python finds it, and writes at once, in UTF-8 also where the system's own encoding is another. */
export function pythonEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const { PYTHONPATH } = environment
  return {
    ...environment,
    PYTHONPATH: [pythonFolder(), ...(PYTHONPATH ? [PYTHONPATH] : [])].join(delimiter),
    PYTHONUNBUFFERED: '1',
    PYTHONUTF8: '1',
  }
}
