import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createJobsClient } from '../../src/remote/ray/jobs-client.ts'
import type { Cluster } from './cluster.ts'
import { runFettle, type Run } from './run-fettle.ts'
import { check, outputOf, runArgs, train, type Trial } from './trial.ts'

/** The file that says that there is no memory, for the programs of `no-memory/`. */
export const noMemoryFile = '/tmp/fettle-bench-no-memory'
/** What makes Python look for it. */
export const noMemory = {
  PYTHONPATH: resolve('bench/remote/no-memory'),
  FETTLE_BENCH_NO_MEMORY: noMemoryFile,
}

/** What goes wrong, each with its cure, and nothing lost. */
export async function errors(trial: Trial, model: string, cluster: Cluster): Promise<void> {
  const args = runArgs(trial, model, trial.data, 8)
  const ray = ['--on', `ray://${cluster.address.host}`]
  const run = (name: string, on: readonly string[], environment = {}): Promise<Run> => {
    const output = outputOf(trial, name)
    rmSync(output, { recursive: true, force: true })
    const rest = on.includes('--python') ? args.toSpliced(args.indexOf('--python'), 2) : args
    return runFettle(['train', ...rest, ...on, '--output-dir', output, '--no-report'], output, environment)
  }
  const refused = async (name: string, made: Promise<Run>, message: RegExp): Promise<Run> => {
    const told = await made
    check(trial, name, told.code !== 0 && message.test(told.errors), told.errors.trim())
    return told
  }
  await refused(
    'no Python',
    run('no python', ['--on', 'torch', '--python', '/none/python']),
    /no such program.*--python/,
  )
  const bare = join(trial.out, 'bare')
  execFileSync(trial.python, ['-m', 'venv', '--without-pip', bare])
  await refused(
    'packages missing',
    run('no packages', ['--on', 'torch', '--python', join(bare, 'bin', 'python')]),
    /torch: not installed.*pip install -U torch/s,
  )
  await refused(
    'no cluster',
    run('no cluster', ['--on', 'ray://127.0.0.1:9']),
    /127\.0\.0\.1:9: no connection.*curl/,
  )

  const client = createJobsClient(cluster.address)
  const upload = await client.upload(Buffer.alloc(110 * 2 ** 20, 7)).catch((error: Error) => error.message)
  check(trial, 'upload of 110 MiB', /413.*storage that the cluster sees/.test(upload), upload)
  const whole = runArgs(trial, trial.smollm2, trial.data, 2, ['--lora', 'null', '--optim', 'sgd'])
  const large = await train(trial, 'large on ray', whole, ray)
  check(
    trial,
    'a run of 1 GiB on Ray, from shared storage',
    large.steps.size === 2,
    `${large.steps.size} steps`,
  )

  await lostConnection(trial, cluster, args)

  writeFileSync(noMemoryFile, '')
  try {
    for (const [name, on] of [
      ['no memory, torch', ['--on', 'torch']],
      ['no memory, torchrun:2', ['--on', 'torchrun:2']],
      ['no memory, Ray', [...ray, '--workers', '2']],
    ] as const) {
      const told = await refused(
        name,
        run(name, on, noMemory),
        /out of memory.*gradient_checkpointing.*--resume/s,
      )
      if (name !== 'no memory, Ray') continue
      const { job } = JSON.parse(readFileSync(join(told.output, 'remote.json'), 'utf8')) as { job: string }
      for (let i = 0; i < 30 && (await client.state(job)).status === 'RUNNING'; i += 1) await delay(1000)
      const { status } = await client.state(job)
      check(trial, 'no memory, Ray: the job ends', status === 'FAILED', status)
    }
  } finally {
    rmSync(noMemoryFile, { force: true })
  }
}

/** A cable that is pulled for five seconds. */
async function lostConnection(trial: Trial, { address }: Cluster, args: readonly string[]): Promise<void> {
  const sockets = new Set<Socket>()
  let isUp = true
  const server = createServer((one) => {
    if (!isUp) return void one.destroy()
    const other = connect(Number(address.port), address.hostname)
    for (const [socket, to] of [
      [one, other],
      [other, one],
    ]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => to.destroy())
      socket.pipe(to)
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const at = server.address()
  const port = typeof at === 'object' ? at?.port : 0
  let cuts = 0
  const told = await train(trial, 'cut', args, ['--on', `ray://127.0.0.1:${port}`], {}, (event) => {
    if (cuts > 0 || event.type !== 'step') return
    cuts += 1
    isUp = false
    for (const socket of sockets) socket.destroy()
    setTimeout(() => (isUp = true), 5000)
  })
  server.close()
  for (const socket of sockets) socket.destroy()
  const types = told.events.map(({ type }) => type)
  const isWhole = told.steps.size === 8 && types.filter((type) => type === 'step').length === 8
  check(trial, 'connection lost for 5 s', cuts === 1 && isWhole && existsSync(told.output), types.join(' '))
}
