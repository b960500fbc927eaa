import { spawn } from 'node:child_process'

/**
 * Runs a program to its end.
 *
 * @returns  the lines that it printed
 * @throws Error with the end of what it said, where it fails
 */
export async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string[]> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-2000)))
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${String(code)}: ${said.trim()}`)
  return printed.trim().split('\n')
}

/** @throws Error where the last line is no JSON object */
export function lastJson<T>(lines: readonly string[]): T {
  const line = lines.at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`expected JSON as the last line, found ${line.slice(0, 200)}`)
  return JSON.parse(line) as T
}
