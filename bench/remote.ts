// The same prepared run on this engine, PyTorch in one process, under torchrun and on Ray, and through kills: see bench/README.md.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { endNetwork, startHead, startThree } from './remote/cluster.ts'
import { tinyModel } from './remote/models.ts'
import { commandOf, endPrograms, environmentOf, killNow, treeOf } from './remote/processes.ts'
import { compare, runFettle, type Apart, type Run, type Told } from './remote/run-fettle.ts'
import { table } from './table.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '/work/peers' },
    out: { type: 'string', default: 'build/remote' },
    /** Parts: tests, parity, preferences, ray, kill, nodes. */
    only: { type: 'string', default: 'tests,parity,preferences,ray,kill,nodes' },
    models: { type: 'string', default: 'smollm2,qwen3,gemma3' },
  },
})
/** Largest differences from this engine that are allowed. */
const most: Apart = { loss: 1e-4, gradNorm: 1e-3, adapter: 1e-2 }

/** Steps of a run that is disturbed: enough to be in the middle when it is. */
const killSteps = 60

const out = resolve(values.out)
const only = new Set(values.only.split(','))
const smollm2 = join(values.peers, 'smollm2')
mkdirSync(out, { recursive: true })
const venv = join(out, 'venv')
const python = join(venv, 'bin', 'python')
makeEnvironment()
const rows: string[][] = []
let failures = 0
try {
  if (only.has('tests')) testRunner()
  const data = join(out, 'docs.jsonl')
  writeFileSync(
    data,
    readFileSync(join(values.peers, 'docs.jsonl'), 'utf8').split('\n').slice(0, 24).join('\n'),
  )
  const tiny = await tinyModel('qwen3', smollm2, out)
  if (only.has('parity') || only.has('ray')) {
    const cluster = only.has('ray') ? await startHead(join(venv, 'bin', 'ray'), out) : undefined
    for (const name of values.models.split(',')) {
      const model =
        name === 'smollm2' ? smollm2 : await tinyModel(name === 'gemma3' ? 'gemma3' : 'qwen3', smollm2, out)
      const args = runArgs(model, data, 6)
      const targets: [string, string[]][] = [
        ...(only.has('parity')
          ? ([
              ['torch', ['--on', 'torch']],
              ['torchrun:2 ddp', ['--on', 'torchrun:2']],
              ['torchrun:2 fsdp', ['--on', 'torchrun:2', '--parallel', 'fsdp']],
            ] as [string, string[]][])
          : []),
        ...(cluster
          ? ([['ray, 2 workers', ['--on', `ray://${cluster.address.host}`, '--workers', '2']]] as [
              string,
              string[],
            ][])
          : []),
      ]
      await parity(name, args, targets)
    }
    await endPrograms()
  }
  if (only.has('preferences')) await preferences(tiny)
  if (only.has('kill')) await killWorker(tiny, data)
  if (only.has('nodes')) await killNode(tiny, data)
} finally {
  await endPrograms()
  endNetwork()
}
console.log(table(['run', 'against', 'loss', 'gradient norm', 'adapter', ''], rows))
console.log(
  `${failures} of ${rows.length} beyond loss ${most.loss}, gradient norm ${most.gradNorm}, adapter ${most.adapter}`,
)
process.exitCode = failures > 0 ? 1 : 0

/** torch and transformers are the peers'; Ray comes from PyPI. */
function makeEnvironment(): void {
  if (existsSync(join(venv, 'bin', 'ray'))) return
  const peers = join(values.peers, 'venv')
  execFileSync(join(peers, 'bin', 'python'), ['-m', 'venv', venv])
  const site = (folder: string) =>
    execFileSync(
      join(folder, 'bin', 'python'),
      ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
      { encoding: 'utf8' },
    ).trim()
  writeFileSync(join(site(venv), 'peers.pth'), `${site(peers)}\n`)
  execFileSync(join(venv, 'bin', 'pip'), ['install', '-q', 'ray[train,default]'], { stdio: 'inherit' })
}

function testRunner(): void {
  execFileSync(python, ['-m', 'unittest', 'discover', '-s', 'python/tests'], {
    stdio: 'inherit',
    env: { ...process.env, PYTHONPATH: 'python' },
  })
}

function runArgs(model: string, data: string, steps: number, more: readonly string[] = []): string[] {
  return [
    '--model',
    model,
    '--data',
    data,
    '--max-steps',
    String(steps),
    '--save-steps',
    '4',
    '--max-length',
    '64',
    '--dtype',
    'float32',
    '--per-device-train-batch-size',
    '4',
    '--lora-r',
    '8',
    '--learning-rate',
    '1e-3',
    '--warmup-steps',
    '1',
    '--weight-decay',
    '0.01',
    '--sample-prompts',
    '0',
    '--python',
    python,
    '--eval-data',
    'null',
    ...more,
  ]
}

/** A fresh run; `--python` goes with `--on` only. */
function train(
  name: string,
  args: readonly string[],
  on: readonly string[],
  environment = {},
  see?: (event: Told, pid: number) => void,
): Promise<Run> {
  const output = join(out, 'runs', name.replaceAll(/\W+/g, '-'))
  rmSync(output, { recursive: true, force: true })
  const at = args.indexOf('--python')
  const own = on.length === 0 ? args.toSpliced(at, 2) : [...args, ...on]
  return runFettle(own, output, environment, see)
}

async function parity(
  name: string,
  args: readonly string[],
  targets: readonly [string, string[]][],
): Promise<void> {
  const here = await train(`${name} here`, args, [])
  for (const [target, on] of targets) {
    const there = await train(`${name} ${target}`, args, on)
    note(name, target, await compare(here, there, join(there.output, 'hand-off', 'adapter_init')), most)
  }
}

/** DPO and KTO, with losses that weigh tokens. */
async function preferences(model: string): Promise<void> {
  const words = ['Much water.', 'Salt and fish, and ships upon it.', 'A lake.', 'Wide.']
  const pairs = Array.from({ length: 8 }, (_, i) => ({
    prompt: `What is the sea, number ${i}?`,
    chosen: words[i % 4],
    rejected: words[(i + 1) % 4],
  }))
  const write = (file: string, rows: object[]): string => {
    writeFileSync(join(out, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return join(out, file)
  }
  const dpo = write('pairs.jsonl', pairs)
  const kto = write(
    'labels.jsonl',
    pairs.map(({ prompt, chosen }, i) => ({ prompt, completion: chosen, label: i % 2 === 0 })),
  )
  const targets: [string, string[]][] = [
    ['torch', ['--on', 'torch']],
    ['torchrun:2 ddp', ['--on', 'torchrun:2']],
    ['torchrun:2 fsdp', ['--on', 'torchrun:2', '--parallel', 'fsdp']],
  ]
  for (const [name, data, more] of [
    ['dpo', dpo, ['--method', 'dpo', '--ld-alpha', '0.5']],
    ['dpo ipo', dpo, ['--method', 'dpo', '--loss-type', 'ipo']],
    ['kto', kto, ['--method', 'kto', '--undesirable-weight', '2']],
  ] as const)
    await parity(name, runArgs(model, data, 4, more), name === 'dpo' ? targets : targets.slice(0, 2))
}

/** kill -9 of a worker of torchrun, which starts all of them again from the last checkpoint. */
async function killWorker(model: string, data: string): Promise<void> {
  const args = runArgs(model, data, killSteps)
  const on = ['--on', 'torchrun:2']
  const calm = await train('calm torchrun', args, on)
  let isKilled = false
  const disturbed = await train('killed torchrun', args, on, {}, (event, pid) => {
    if (isKilled || event.type !== 'step' || Number(event.step) < 6) return
    const worker = treeOf(pid).find(
      (own) => environmentOf(own, 'RANK') === '1' && /fettle_runner/.test(commandOf(own)),
    )
    if (worker === undefined) return
    isKilled = true
    killNow(worker)
  })
  if (!isKilled || disturbed.attempts < 2)
    throw new Error(`nothing was killed (${disturbed.attempts} attempts)`)
  await same('torchrun, worker killed', calm, disturbed)
}

/** kill -9 of the raylet of a machine that a worker is on, in a cluster of three; and of a worker. */
async function killNode(model: string, data: string): Promise<void> {
  const cluster = await startThree(join(venv, 'bin', 'ray'), out)
  const args = runArgs(model, data, killSteps)
  const on = ['--on', `ray://${cluster.address.host}`, '--workers', '2']
  const environment = { GLOO_SOCKET_IFNAME: 'eth0' }
  const calm = await train('calm ray', args, on, environment)
  const isWorker = (pid: number): boolean => /^ray::.*RayTrainWorker/.test(commandOf(pid))
  for (const [name, victim] of [
    ['worker', (tree: readonly number[]) => tree.filter(isWorker)],
    // Not the head's: the cluster would be gone with it.
    [
      'raylet',
      (tree: readonly number[]) =>
        tree.some(isWorker) ? tree.filter((pid) => /\/raylet\b/.test(commandOf(pid))) : [],
    ],
  ] as const) {
    let isKilled = false
    const disturbed = await train(`killed ray ${name}`, args, on, environment, (event) => {
      if (isKilled || event.type !== 'step' || Number(event.step) < 6) return
      const [pid] = cluster.nodes.slice(1).flatMap((node) => victim(treeOf(node)))
      if (pid === undefined) return
      isKilled = true
      killNow(pid)
    })
    if (!isKilled || disturbed.attempts < 2)
      throw new Error(`nothing was killed (${disturbed.attempts} attempts)`)
    await same(`ray, ${name} killed`, calm, disturbed)
  }
}

async function same(name: string, one: Run, other: Run): Promise<void> {
  const file = 'adapter_model.safetensors'
  const isSame = readFileSync(join(one.output, file)).equals(readFileSync(join(other.output, file)))
  note(
    name,
    isSame ? 'undisturbed: same bits' : 'undisturbed: OTHER BITS',
    await compare(one, other, join(one.output, 'hand-off', 'adapter_init')),
    {
      loss: 0,
      gradNorm: 0,
      adapter: 0,
    },
  )
}

function note(name: string, against: string, apart: Apart, allowed: Apart): void {
  const isGood =
    apart.loss <= allowed.loss && apart.gradNorm <= allowed.gradNorm && apart.adapter <= allowed.adapter
  if (!isGood) failures += 1
  rows.push([
    name,
    against,
    ...[apart.loss, apart.gradNorm, apart.adapter].map((value) => value.toExponential(1)),
    isGood ? '' : 'too far',
  ])
  console.log(rows.at(-1)?.join('  '))
}
