import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** The built command line, as `npx fettle` runs it. */
export const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.mjs')

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

/** How a command is run: what it reads, its environment, and where. */
export interface CliSettings {
  input?: string
  environment?: Record<string, string>
  cwd?: string
}

/** A command under way. */
export function startCli(args: readonly string[], { environment = {}, cwd }: CliSettings = {}) {
  const { NO_COLOR: _, FORCE_COLOR: __, COLUMNS: ___, ...inherited } = process.env
  return spawn(process.execPath, [cli, ...args], {
    env: { ...inherited, ...environment },
    ...(cwd && { cwd }),
  })
}

/** Runs a command to its end. */
export function runCli(args: readonly string[], settings: CliSettings = {}): Promise<CliResult> {
  const child = startCli(args, settings)
  const result: CliResult = { code: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(settings.input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ ...result, code }))
  })
}

/** The lines of a JSON-lines output; throws when anything else is among them. */
export function jsonLines(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
