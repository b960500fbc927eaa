// DPO on SmolLM2 with LoRA, 4 pairs a batch, beside TRL: see bench/README.md. Needs `npm run build`.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { TrainEvent } from '../src/index.ts'
import { run } from './kill/killed-run.ts'
import { writePairs } from './pairs-of.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    steps: { type: 'string', default: '12' },
    'peer-steps': { type: 'string', default: '4' },
    batch: { type: 'string', default: '4' },
    'max-length': { type: 'string', default: '1024' },
    alone: { type: 'boolean', default: false },
  },
})

/** Steps that are not counted: programs are compiled in them. */
const warmUp = 2

interface Speed {
  pairsPerSecond: number
  tokensPerSecond: number
  peakMib: number
  loss: number
}

const place = await mkdtemp(join(tmpdir(), 'fettle-dpo-speed-'))
try {
  const pairs = join(place, 'pairs.jsonl')
  await writePairs(join(values.peers, 'docs.jsonl'), pairs, 2000)
  const fettle = await fettleSide(pairs)
  say('fettle', fettle)
  if (!values.alone) {
    const trl = await peerSide(pairs)
    say('TRL', trl)
    console.log(`${(fettle.pairsPerSecond / trl.pairsPerSecond).toFixed(1)} × TRL's pairs a second`)
  }
} finally {
  await rm(place, { recursive: true, force: true })
}

function say(name: string, { pairsPerSecond, tokensPerSecond, peakMib, loss }: Speed): void {
  console.log(
    `${name.padEnd(6)} ${pairsPerSecond.toFixed(2)} pairs/s, ${tokensPerSecond.toFixed(0)} tokens/s, ${peakMib.toFixed(0)} MiB at most, first loss ${loss.toFixed(4)}`,
  )
}

async function fettleSide(pairs: string): Promise<Speed> {
  const args = ['dist/cli.mjs', 'train', pairs, '--method', 'dpo', '--model', join(values.peers, 'smollm2')]
  args.push('--max-steps', values.steps, '--per-device-train-batch-size', values.batch)
  args.push(
    '--max-length',
    values['max-length'],
    '--no-shuffle',
    '--save-steps',
    '0',
    '--lora-r',
    '16',
    '--json',
  )
  const { code, stdout, stderr } = await run([process.execPath, ...args, '--output-dir', join(place, 'run')])
  if (code !== 0) throw new Error(stderr)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainEvent)
  const steps = events.filter((event) => event.type === 'step')
  const end = events.find((event) => event.type === 'end')
  const counted = steps.slice(warmUp)
  const seconds = counted.reduce((sum, step) => sum + step.tokens / step.tokens_per_second, 0)
  return {
    pairsPerSecond: (counted.length * Number(values.batch)) / seconds,
    tokensPerSecond: counted.reduce((sum, { tokens }) => sum + tokens, 0) / seconds,
    peakMib: end?.peak_rss_mib ?? Number.NaN,
    loss: steps[0].loss,
  }
}

async function peerSide(pairs: string): Promise<Speed> {
  const python = join(values.peers, 'venv', 'bin', 'python')
  const args = [
    join(values.peers, 'smollm2'),
    pairs,
    '--steps',
    values['peer-steps'],
    '--batch',
    values.batch,
  ]
  const { code, stdout, stderr } = await run([
    python,
    'bench/peers/trl_dpo.py',
    ...args,
    '--max-length',
    values['max-length'],
  ])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as Speed
}
