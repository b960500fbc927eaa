/** Writes a value as a line of JSON on stdout, where `--json` promises nothing else. */
export function writeJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
