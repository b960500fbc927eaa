import { spawn } from 'node:child_process'

/** How a program ended. */
export interface ProgramEnd {
  /** null: a signal ended it. */
  code: number | null
  printed: string
  /** The end of what it said on standard error. */
  said: string
}

/** Runs a program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<ProgramEnd> {
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-2000)))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { code, printed: printed.trim(), said: said.trim() }
}
