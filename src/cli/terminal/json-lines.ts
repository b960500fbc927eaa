import { terminalOf } from './terminal.ts'

/** Writes a value as a line of JSON on stdout, where `--json` promises nothing else. */
export function writeJsonLine(value: unknown): void {
  terminalOf(process.stdout).write(`${JSON.stringify(value)}\n`)
}
