// Random templates through fettle's Jinja and through Python's: see bench/README.md.
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { compareCase, type FuzzCase } from './jinja-fuzz/compare.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: process.env['FETTLE_PEERS'] ?? 'peers' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '20000' },
    show: { type: 'string', default: '30' },
  },
})

const python = spawn(
  join(values.peers, 'venv/bin/python'),
  ['-W', 'ignore', 'bench/jinja-fuzz/generate.py', values.seed, values.count],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
let variables: Record<string, unknown> | undefined
let compared = 0
let accepted = 0
let differing = 0
let leftOut = 0
let slowestMs = 0
for await (const line of createInterface({ input: python.stdout })) {
  if (variables === undefined) {
    variables = (JSON.parse(line) as { variables: Record<string, unknown> }).variables
    continue
  }
  const found = JSON.parse(line) as FuzzCase
  compared += 1
  if (found.error === undefined) accepted += 1
  const { difference, isLeftOut, elapsedMs } = compareCase(found, variables)
  slowestMs = Math.max(slowestMs, elapsedMs)
  if (difference === undefined) continue
  if (isLeftOut) {
    leftOut += 1
    continue
  }
  differing += 1
  if (differing <= Number(values.show)) console.log(difference)
}
console.log(
  `${compared} templates, ${accepted} of them accepted by Python; ${differing} differ, ${leftOut} use what is left out; slowest ${slowestMs.toFixed(0)} ms`,
)
process.exitCode = differing > 0 || compared === 0 ? 1 : 0
