// What trackers' own programs read of a run that goes on once: see bench/README.md. Needs `npm run build`.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { TrainEvent } from '../src/index.ts'
import { run } from './kill/killed-run.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    // A server that runs already; else one is started.
    mlflow: { type: 'string' },
  },
})

/** What a tracker's program reads: the losses by step, and an option. */
interface Read {
  losses: Record<string, number>
  learningRate: string
  runs: number
}

const place = await mkdtemp(join(tmpdir(), 'fettle-trackers-'))
const folder = join(place, 'run')
const port = await freePort()
const uri = values.mlflow ?? `http://127.0.0.1:${port}`
const store = `sqlite:///${join(place, 'mlflow.db')}`
const server = ['-m', 'mlflow', 'server', '--backend-store-uri', store, '--port', `${port}`, '--workers', '1']
const mlflow =
  values.mlflow === undefined
    ? spawn(values.python, server, { cwd: place, stdio: ['ignore', 'ignore', 'inherit'] })
    : undefined
let wrong = 0
try {
  await reachable(uri)
  process.env['MLFLOW_TRACKING_URI'] = uri
  process.env['MLFLOW_EXPERIMENT_NAME'] = `fettle-${port}`
  process.env['TRACKIO_DIR'] = join(place, 'trackio')
  const train = ['dist/cli.mjs', 'train', 'assets/demo.jsonl', '--model', 'assets/tiny-llama', '--json']
  train.push('--max-length', '64', '--output-dir', folder, '--report-to', 'wandb,mlflow,trackio,tensorboard')
  train.push('--save-steps', '2', '--val-size', '0.01', '--eval-steps', '0')
  // Killed after its third step, it makes that again; then it is extended.
  await killedAfter(3, [...train, '--max-steps', '4'])
  for (const more of [
    ['--max-steps', '4', '--resume'],
    ['--max-steps', '6', '--resume', '--extend'],
  ]) {
    const { code, stdout, stderr } = await run([process.execPath, ...train, ...more])
    if (code !== 0) throw new Error(stderr)
    const end = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as TrainEvent
    if (end.type === 'end' && end.tracker_problems) throw new Error(end.tracker_problems.join('\n'))
  }
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trimEnd().split('\n')
  const expected = Object.fromEntries(
    lines.flatMap((line) => {
      const event = JSON.parse(line) as TrainEvent
      return event.type === 'step' ? [[String(event.step), event.loss]] : []
    }),
  )
  for (const name of ['wandb', 'mlflow', 'trackio', 'tensorboard']) {
    const { code, stdout, stderr } = await run([values.python, 'bench/trackers/read.py', name, folder])
    if (code !== 0) throw new Error(`${name}: ${stderr}`)
    const { losses, learningRate, runs } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as Read
    const isEqual =
      Object.keys(losses).length === 6 &&
      Object.entries(expected).every(
        ([step, loss]) => Math.abs(losses[step] - loss) < (name === 'tensorboard' ? 1e-6 : 1e-9),
      )
    const isRight = isEqual && Number(learningRate) === 2e-4 && runs === 1
    if (!isRight) wrong += 1
    console.log(
      `${name.padEnd(11)} ${isRight ? 'reads' : 'READS OTHERWISE'} ${JSON.stringify({ losses, learningRate, runs })}`,
    )
  }
} finally {
  mlflow?.kill()
  await rm(place, { recursive: true, force: true })
}
process.exitCode = wrong === 0 ? 0 : 1

/** Ends a run by SIGKILL when it tells of a step, a moment later: what trackers send in the background may have arrived by then. */
async function killedAfter(step: number, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let told = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text
    if (told.includes(`"type":"step","step":${step},`)) setTimeout(() => child.kill('SIGKILL'), 20)
  })
  await new Promise((resolve) => child.once('close', resolve))
  if (child.signalCode !== 'SIGKILL') throw new Error('the run ended before it was killed')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port: free } = server.address() as AddressInfo
  server.close()
  return free
}

async function reachable(url: string): Promise<void> {
  for (let attempt = 0; attempt < 1200; attempt += 1) {
    const isThere = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isThere) return
    if (typeof mlflow?.exitCode === 'number')
      throw new Error(`mlflow's server ended by itself; --python names a Python that has mlflow`)
    await sleep(500)
  }
  throw new Error(`no answer from ${url}`)
}
