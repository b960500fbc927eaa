// What is left of fettle's speed beside other busy processes: see bench/README.md. Needs `npm run build`.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runProgram } from '../src/cli/bench/run-program.ts'
import { table } from './table.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    case: { type: 'string', default: 'packed' },
    busy: { type: 'string', default: '0,1,2' },
    rounds: { type: 'string', default: '3' },
    /** Clones that are measured by turns, separated by commas; each must be built. */
    clones: { type: 'string', default: '.' },
  },
})
const counts = values.busy.split(',').map(Number)
const clones = values.clones.split(',')
const speeds = new Map<string, number[]>()

for (let round = 0; round < Number(values.rounds); round += 1)
  for (const count of counts)
    for (const clone of clones) {
      const busy = Array.from({ length: count }, () =>
        spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
      )
      try {
        const speed = await tokensPerSecond(clone)
        const key = `${clone} ${count}`
        speeds.set(key, [...(speeds.get(key) ?? []), speed])
        console.log(`${clone}, ${count} busy: ${speed.toFixed(0)} tokens/s`)
      } finally {
        await Promise.all(busy.map(end))
      }
    }

const best = (clone: string, count: number) => Math.max(...(speeds.get(`${clone} ${count}`) ?? []))
const rows = clones.flatMap((clone) =>
  counts.map((count) => [
    `${clone}, ${count} busy`,
    (speeds.get(`${clone} ${count}`) ?? []).map((speed) => speed.toFixed(0)).join(' '),
    `${((100 * best(clone, count)) / best(clone, counts[0])).toFixed(0)}%`,
  ]),
)
console.log(table(['', 'tokens/s', 'of the best without'], rows))

async function tokensPerSecond(clone: string): Promise<number> {
  const model = ['--model', join(values.peers, 'smollm2'), '--data', join(values.peers, 'docs.jsonl')]
  const args = ['dist/cli.mjs', 'bench', '--measure', values.case, ...model, '--json']
  const { code, printed, said } = await runProgram(process.execPath, args, { cwd: clone })
  if (code !== 0) throw new Error(`${clone}: fettle bench ended ${code}: ${said}`)
  const figures: unknown = JSON.parse(printed.split('\n').at(-1) ?? '')
  if (typeof figures !== 'object' || figures === null || !('tokens_per_s' in figures))
    throw new Error(`${clone}: no tokens_per_s in ${printed.slice(0, 200)}`)
  return Number(figures.tokens_per_s)
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}
