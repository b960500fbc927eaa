import { runProgram } from '../../src/cli/bench/run-program.ts'

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
  const { code, printed, said } = await runProgram(command, args, { env })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${String(code)}: ${said}`)
  return printed.split('\n')
}

/** @throws Error where the last line is no JSON object */
export function lastJson<T>(lines: readonly string[]): T {
  const line = lines.at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`expected JSON as the last line, found ${line.slice(0, 200)}`)
  return JSON.parse(line) as T
}
