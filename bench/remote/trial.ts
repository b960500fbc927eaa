import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare, runFettle, type Apart, type Run, type Told } from './run-fettle.ts'

/** Largest differences from this engine that are allowed. */
export const most: Apart = { loss: 1e-4, gradNorm: 1e-3, adapter: 1e-2 }

/** Steps of a run that is disturbed: enough to be in the middle when it is. */
export const longSteps = 60

/** What all parts have: an environment, runs, and what they found. */
export interface Trial {
  out: string
  /** Of the environment. */
  python: string
  ray: string
  smollm2: string
  /** Some documents. */
  data: string
  rows: string[][]
  failures: number
}

/** Makes the environment: torch and transformers are the peers'; Ray comes from PyPI. */
export function openTrial(out: string, peers: string): Trial {
  const venv = join(out, 'venv')
  const bin = (name: string) => join(venv, 'bin', name)
  if (!existsSync(bin('ray'))) {
    const theirs = join(peers, 'venv')
    execFileSync(join(theirs, 'bin', 'python'), ['-m', 'venv', venv])
    const site = (folder: string) =>
      execFileSync(
        join(folder, 'bin', 'python'),
        ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
        { encoding: 'utf8' },
      ).trim()
    writeFileSync(join(site(venv), 'peers.pth'), `${site(theirs)}\n`)
    execFileSync(bin('pip'), ['install', '-q', 'ray[train,default]'], { stdio: 'inherit' })
  }
  const data = join(out, 'docs.jsonl')
  const lines = readFileSync(join(peers, 'docs.jsonl'), 'utf8').split('\n')
  writeFileSync(data, lines.slice(0, 24).join('\n'))
  return {
    out,
    python: bin('python'),
    ray: bin('ray'),
    smollm2: join(peers, 'smollm2'),
    data,
    rows: [],
    failures: 0,
  }
}

/** Options of a run, with those of another engine. */
export function runArgs(
  { python }: Trial,
  model: string,
  data: string,
  steps: number,
  more: readonly string[] = [],
): string[] {
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
    ...(more.includes('--lora') ? [] : ['--lora-r', '8']),
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

/** A run's folder, by what it is called. */
export function outputOf({ out }: Trial, name: string): string {
  return join(out, 'runs', name.replaceAll(/\W+/g, '-'))
}

/** A fresh run; `--python` goes with `--on` only. */
export async function train(
  trial: Trial,
  name: string,
  args: readonly string[],
  on: readonly string[],
  environment: Record<string, string> = {},
  see?: (event: Told, pid: number) => void,
): Promise<Run> {
  const output = outputOf(trial, name)
  rmSync(output, { recursive: true, force: true })
  const at = args.indexOf('--python')
  const own = on.length === 0 ? args.toSpliced(at, 2) : [...args, ...on]
  const run = await runFettle(
    ['train', ...own, '--output-dir', output, '--no-report'],
    output,
    environment,
    see,
  )
  if (run.code !== 0) throw new Error(`${name}: fettle train ended with ${run.code}\n${run.errors}`)
  return run
}

/** The same run here and on other engines. */
export async function parity(
  trial: Trial,
  name: string,
  args: readonly string[],
  targets: readonly (readonly [string, readonly string[]])[],
): Promise<void> {
  const here = await train(trial, `${name} here`, args, [])
  for (const [target, on] of targets) {
    const there = await train(trial, `${name} ${target}`, args, on)
    note(
      trial,
      name,
      target,
      await compare(here, there, join(there.output, 'hand-off', 'adapter_init')),
      most,
    )
  }
}

/** Whether a run that was disturbed ends with the bits of another. */
export async function same(trial: Trial, name: string, one: Run, other: Run): Promise<void> {
  const file = 'adapter_model.safetensors'
  const isSame = readFileSync(join(one.output, file)).equals(readFileSync(join(other.output, file)))
  const against = isSame ? 'undisturbed: same bits' : 'undisturbed: OTHER BITS'
  const apart = await compare(one, other, join(one.output, 'hand-off', 'adapter_init'))
  note(trial, name, against, apart, { loss: 0, gradNorm: 0, adapter: 0 })
}

/** How far apart two runs are. */
export function note(trial: Trial, name: string, against: string, apart: Apart, allowed: Apart): void {
  const isGood =
    apart.loss <= allowed.loss && apart.gradNorm <= allowed.gradNorm && apart.adapter <= allowed.adapter
  const numbers = [apart.loss, apart.gradNorm, apart.adapter].map((value) => value.toExponential(1))
  tell(trial, isGood, [name, against, ...numbers])
}

/** Something that is so or not. */
export function check(trial: Trial, name: string, isGood: boolean, found: string): void {
  tell(trial, isGood, [name, found, '', '', ''])
}

function tell(trial: Trial, isGood: boolean, row: string[]): void {
  if (!isGood) trial.failures += 1
  trial.rows.push([...row, isGood ? '' : 'WRONG'])
  console.log(trial.rows.at(-1)?.join('  '))
}
