import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureFettle, type Round, type SideResult } from './chat-throughput/fettle-side.ts'

/*
 * Template, mask and tokens of docs.jsonl with the SmolLM2 template: fettle's encodeChats beside Transformers'
 * apply_chat_template with the generation mask, by turns, pinned to one core and then on two.
 */

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: 'peers' },
    rounds: { type: 'string', default: '5' },
    sittings: { type: 'string', default: '3' },
    side: { type: 'boolean', default: false },
  },
})
const model = join(values.peers, 'smollm2')
const data = join(values.peers, 'docs.jsonl')
const python = join(values.peers, 'venv', 'bin', 'python')

/** Runs one side in a process of its own, on the cores given. */
function run(command: readonly string[], cores: string): SideResult {
  const cpus = cores.split(',').length
  const { status, stdout, stderr } = spawnSync('taskset', ['-c', cores, ...command], {
    encoding: 'utf8',
    env: {
      ...process.env,
      HF_HUB_OFFLINE: '1',
      RAYON_NUM_THREADS: String(cpus),
      TOKENIZERS_PARALLELISM: String(cpus > 1),
    },
  })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as SideResult
}

/** The best pass: other processes can only make one slower. */
const best = (rounds: readonly Round[], of: keyof Round) => Math.min(...rounds.map((round) => round[of]))

function compare(cores: string): void {
  const fettle: Round[] = []
  const transformers: Round[] = []
  const unseen: { fettle: number[]; transformers: number[] } = { fettle: [], transformers: [] }
  let count = 0
  for (let sitting = 0; sitting < Number(values.sittings); sitting++) {
    const args = [model, data, values.rounds]
    const ours = run([process.execPath, process.argv[1], '--side', ...commonArgs], cores)
    const theirs = run([python, 'bench/chat-throughput/transformers_side.py', ...args], cores)
    if (ours.tokens !== theirs.tokens || ours.learned !== theirs.learned)
      throw new Error(`not the same work: ${JSON.stringify({ ours, theirs })}`)
    fettle.push(...ours.rounds)
    transformers.push(...theirs.rounds)
    unseen.fettle.push(ours.unseen.tokens / ours.unseen.seconds)
    unseen.transformers.push(theirs.unseen.tokens / theirs.unseen.seconds)
    count = ours.tokens
  }
  const speed = (rounds: readonly Round[]) => Math.round(count / best(rounds, 'seconds'))
  const result = (rounds: readonly Round[], unseenSpeeds: readonly number[]) => ({
    tokensPerSecond: speed(rounds),
    unseenTokensPerSecond: Math.round(Math.max(...unseenSpeeds)),
    cpuSeconds: Number(best(rounds, 'cpuSeconds').toFixed(3)),
  })
  const ratio = best(transformers, 'seconds') / best(fettle, 'seconds')
  console.log(
    JSON.stringify({
      cores: cores.split(',').length,
      fettle: result(fettle, unseen.fettle),
      transformers: result(transformers, unseen.transformers),
      ratio: Number(ratio.toFixed(2)),
      unseenRatio: Number((Math.max(...unseen.fettle) / Math.max(...unseen.transformers)).toFixed(2)),
    }),
  )
}

const commonArgs = ['--peers', values.peers, '--rounds', values.rounds]
if (values.side) console.log(JSON.stringify(await measureFettle(model, data, Number(values.rounds))))
else {
  if (!existsSync(python)) throw new Error(`${python} is missing: bench/peers/setup.sh DIR makes it`)
  for (const cores of ['0', '0,1']) compare(cores)
}
