// The same prepared run on this engine, PyTorch in one process, under torchrun and on Ray, and through kills: see bench/README.md.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { endNetwork, startHead, type Cluster } from './remote/cluster.ts'
import { control } from './remote/control.ts'
import { errors, noMemory } from './remote/errors.ts'
import { killNode, killWorker } from './remote/kills.ts'
import { kinds } from './remote/kinds.ts'
import { machines } from './remote/machines.ts'
import { tinyModel } from './remote/models.ts'
import { endPrograms } from './remote/processes.ts'
import { most, openTrial, parity, runArgs } from './remote/trial.ts'
import { table } from './table.ts'

const parts = [
  'tests',
  'parity',
  'kinds',
  'preferences',
  'ray',
  'control',
  'errors',
  'kill',
  'machines',
  'nodes',
] as const

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    out: { type: 'string', default: 'build/remote' },
    only: { type: 'string', default: parts.join(',') },
    models: { type: 'string', default: 'smollm2,qwen3,gemma3' },
  },
})
const only = new Set(values.only.split(','))
const out = resolve(values.out)
mkdirSync(out, { recursive: true })
const trial = openTrial(out, values.peers)
const has = (...names: (typeof parts)[number][]): boolean => names.some((name) => only.has(name))
try {
  if (has('tests'))
    execFileSync(trial.python, ['-m', 'unittest', 'discover', '-s', 'python/tests'], {
      stdio: 'inherit',
      env: { ...process.env, PYTHONPATH: 'python' },
    })
  const models = {
    smollm2: trial.smollm2,
    qwen3: await tinyModel('qwen3', trial.smollm2, out),
    gemma3: await tinyModel('gemma3', trial.smollm2, out),
  }
  const cluster = has('ray', 'control', 'errors') ? await startHead(trial.ray, out, noMemory) : undefined
  if (has('parity', 'ray'))
    for (const name of values.models.split(',')) {
      const model = name === 'smollm2' || name === 'gemma3' ? models[name] : models.qwen3
      await parity(trial, name, runArgs(trial, model, trial.data, 6), targetsOf(cluster))
    }
  if (cluster && has('control')) await control(trial, models.qwen3, cluster)
  if (cluster && has('errors')) await errors(trial, models.qwen3, cluster)
  await endPrograms()
  if (has('kinds')) await kinds(trial, models)
  if (has('kill')) await killWorker(trial, models.qwen3)
  if (has('machines')) await machines(trial, models.qwen3)
  if (has('nodes')) await killNode(trial, models.qwen3)
} finally {
  await endPrograms()
  endNetwork()
}
console.log(table(['run', 'against', 'loss', 'gradient norm', 'adapter', ''], trial.rows))
console.log(
  `${trial.failures} of ${trial.rows.length} wrong, or beyond loss ${most.loss}, gradient norm ${most.gradNorm}, adapter ${most.adapter}`,
)
process.exitCode = trial.failures > 0 ? 1 : 0

function targetsOf(cluster: Cluster | undefined): [string, string[]][] {
  const here: [string, string[]][] = [
    ['torch', ['--on', 'torch']],
    ['torchrun:2 ddp', ['--on', 'torchrun:2']],
    ['torchrun:2 fsdp', ['--on', 'torchrun:2', '--parallel', 'fsdp']],
  ]
  const ray =
    cluster && (['ray, 2 workers', ['--on', `ray://${cluster.address.host}`, '--workers', '2']] as const)
  return [
    ...(has('parity') ? here : []),
    ...(ray && has('ray') ? [[ray[0], [...ray[1]]] as [string, string[]]] : []),
  ]
}
