// kill -9 at random moments, and on to the same bytes: see bench/README.md.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createRandom } from '../src/random.ts'
import { grpoArguments, writeRewards } from './kill/grpo.ts'
import { killAndResume, moments, phaseOf, run } from './kill/killed-run.ts'
import { writePairs } from './pairs-of.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    model: { type: 'string', default: 'assets/tiny-llama' },
    data: { type: 'string', default: 'assets/demo.jsonl' },
    'max-steps': { type: 'string', default: '20' },
    method: { type: 'string', default: 'sft' },
  },
})

const command = [process.execPath, 'dist/cli.mjs']
const place = await mkdtemp(join(tmpdir(), 'fettle-kill-'))
try {
  const { method } = values
  const pairs = join(place, 'pairs.jsonl')
  const isOfChats = method === 'sft' || method === 'grpo'
  if (!isOfChats) await writePairs(values.data, pairs)
  const data = isOfChats ? values.data : pairs
  const args = [data, '--model', values.model, '--max-steps', values['max-steps'], '--method', method]
  args.push(...'--save-steps 2 --save-total-limit 2 --max-length 128'.split(' '))
  // KTO compares with the answers beside each.
  if (method !== 'grpo') args.push('--per-device-train-batch-size', method === 'kto' ? '2' : '1')
  args.push(...'--lora-r 4 --lora-dropout 0.1 --learning-rate 1e-3'.split(' '))
  if (method === 'grpo') args.push('--rewards', await writeRewards(place), ...grpoArguments)
  const whole = join(place, 'whole')
  const begun = performance.now()
  const { code, stdout, stderr } = await run([...command, 'train', ...args, '--output-dir', whole, '--json'])
  const totalMs = performance.now() - begun
  if (code !== 0) throw new Error(stderr)
  const { elapsed_ms } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as { elapsed_ms: number }
  const preparingMs = totalMs - elapsed_ms
  const expected = await readFile(join(whole, 'adapter_model.safetensors'))
  const random = createRandom(Number(values.seed))
  const phases = new Map<string, number>()
  let equal = 0
  let resumed = 0
  const count = Number(values.count)
  for (let i = 0; i < count; i++) {
    const moment = moments[i % moments.length]
    const folder = join(place, 'killed')
    const outcome = await killAndResume({ command, args, folder, moment, random, totalMs, preparingMs })
    const phase = outcome.killed ? phaseOf(outcome.left) : 'ended before'
    phases.set(phase, (phases.get(phase) ?? 0) + 1)
    if (outcome.resumed) resumed += 1
    if (outcome.code === 0 && outcome.adapter.equals(expected)) equal += 1
    else
      console.log(
        `${i}: ${moment}, ${phase}: exit ${outcome.code}\n${outcome.left.join(' ')}\n${outcome.stderr}`,
      )
  }
  console.log(`${equal} of ${count} equal to the uninterrupted run; ${resumed} went on from a checkpoint`)
  for (const [phase, number] of [...phases].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`  ${String(number).padStart(4)} killed while ${phase}`)
  process.exitCode = equal === count ? 0 : 1
} finally {
  await rm(place, { recursive: true, force: true })
}
