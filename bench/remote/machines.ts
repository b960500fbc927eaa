import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeNetwork, namespaceOf } from './cluster.ts'
import { commandOf, killNow, startProgram, treeOf } from './processes.ts'
import { runOf, type Run, type Told } from './run-fettle.ts'
import { check, longSteps, outputOf, runArgs, same, train, type Trial } from './trial.ts'

/**
 * The command that `--print-command torchrun --nodes 2` prints, on two machines (namespaces, each with a name of its own): as one machine,
 * after a worker was killed, and where they share no storage. Needs root and iproute2.
 */
export async function machines(trial: Trial, model: string): Promise<void> {
  makeNetwork(2, true)
  const args = runArgs(trial, model, trial.data, longSteps)
  const calm = await train(trial, 'machines, one', args, ['--on', 'torchrun:2'])
  const undisturbed = await on(trial, 'machines, two', args)
  await same(trial, 'torchrun on two machines', calm, undisturbed)
  const killed = await on(trial, 'machines, killed', args, {
    see(step, second) {
      const worker = treeOf(second).findLast((pid) => /-m fettle_runner|fettle_runner /.test(commandOf(pid)))
      if (step < 6 || worker === undefined) return false
      killNow(worker)
      return true
    },
  })
  await same(trial, 'torchrun on two machines, worker killed', calm, killed)
  const apart = await on(trial, 'machines, apart', args, { isApart: true })
  const error = apart.events.find(({ type }) => type === 'error') as (Told & { found?: string }) | undefined
  check(
    trial,
    'storage that is not shared',
    /1 of 2 workers do not share/.test(error?.found ?? ''),
    error?.found ?? '',
  )
}

interface Disturbance {
  /** Called with the last step, and the process of the second machine, until it returns true. */
  see?(step: number, second: number): boolean
  /** The second machine sees another folder. */
  isApart?: boolean
}

/** Runs what is printed on both. */
async function on(
  trial: Trial,
  name: string,
  args: readonly string[],
  { see, isApart = false }: Disturbance = {},
): Promise<Run> {
  const output = outputOf(trial, name)
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output, { recursive: true })
  const at = args.indexOf('--python')
  const printed = execFileSync(
    process.execPath,
    [
      'dist/cli.mjs',
      'train',
      ...args.toSpliced(at, 2),
      '--output-dir',
      output,
      '--print-command',
      'torchrun',
      '--nodes',
      '2',
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const script = join(trial.out, 'machine.sh')
  writeFileSync(script, printed.replaceAll('torchrun --', `${trial.python} -m torch.distributed.run --`))
  const other = join(trial.out, 'apart')
  rmSync(other, { recursive: true, force: true })
  if (isApart) cpSync(output, other, { recursive: true })
  const programs = [1, 2].map((i) => {
    const hide = isApart && i === 2 ? `mount --bind ${other} ${output} && ` : ''
    const shell = `hostname machine${i} && ${hide}HEAD=machine1 FETTLE_THREADS=1 bash ${script}`
    const command = ['netns', 'exec', namespaceOf(i), 'unshare', '--uts', '--mount', 'bash', '-c', shell]
    return startProgram('ip', command, join(trial.out, `machine-${i}.log`))
  })
  let isSeen = see === undefined
  while (programs.some(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    await delay(100)
    const step = eventsIn(output).findLast(({ type }) => type === 'step')?.step ?? 0
    if (!isSeen) isSeen = see?.(step, programs[1].pid ?? 0) ?? true
    // Torchrun begins anew after each error; where one machine has given up, the other waits for it.
    if (isApart && eventsIn(output).some(({ type }) => type === 'error'))
      for (const { pid } of programs) if (pid !== undefined) treeOf(pid).forEach(killNow)
  }
  if (!isSeen) throw new Error('nothing was killed')
  return runOf(output, eventsIn(output))
}

function eventsIn(output: string): Told[] {
  const path = join(output, 'events.jsonl')
  if (!existsSync(path)) return []
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Told)
}
