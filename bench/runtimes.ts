// The demo in every runtime that fettle promises to run in: see bench/README.md.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'node20,node22,node24,node26,deno' },
    steps: { type: 'string', default: '40' },
    engine: { type: 'string' },
  },
})
const run = promisify(execFile)
const machine = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

/** What npm brings, and how a program is run with it. No package runs a script when it is installed. */
const runtimes: Readonly<Record<string, { install: string; command: readonly string[] }>> = {
  ...Object.fromEntries(
    ['20', '22', '24', '26'].map((major) => [
      `node${major}`,
      { install: `node-${machine}@${major}`, command: [`node-${machine}/bin/node`] },
    ]),
  ),
  deno: {
    install: `@deno/${machine}${process.platform === 'linux' ? '-glibc' : ''}@2`,
    command: [`@deno/${machine}${process.platform === 'linux' ? '-glibc' : ''}/deno`, 'run', '--allow-all'],
  },
}

interface Event {
  type: string
  version?: string
  engine?: string
  isa?: string
  loss?: number
  tokens_per_second?: number
}

let failed = 0
const cli = resolve('dist', 'cli.mjs')
for (const name of values.only.split(',')) {
  const { install, command } = runtimes[name]
  const folder = resolve('build', 'runtimes', name)
  await mkdir(folder, { recursive: true })
  await run('npm', [
    'install',
    '--prefix',
    folder,
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--prefer-offline',
    install,
  ])
  const [program, ...first] = [join(folder, 'node_modules', command[0]), ...command.slice(1)]
  const { stdout: version } = await run(program, ['--version'])
  const output = await mkdtemp(join(tmpdir(), 'fettle-runtime-'))
  try {
    const args = ['demo', '--json', '--steps', values.steps, '--output-dir', output, '--overwrite']
    if (values.engine !== undefined) args.push('--engine', values.engine)
    const begun = performance.now()
    const { stdout, stderr } = await run(program, [...first, cli, ...args], { maxBuffer: 2 ** 28 })
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Event)
    const start = events.find(({ type }) => type === 'start')
    const steps = events.filter(({ type }) => type === 'step')
    const [from, to] = [steps[0]?.loss ?? Number.NaN, steps.at(-1)?.loss ?? Number.NaN]
    const learned = to < from / 2 && events.some(({ type }) => type === 'answer')
    if (!learned) failed += 1
    console.log(
      `${learned ? 'ok    ' : 'FAILED'} ${name}  ${version.split('\n')[0].trim()}  ${start?.engine} ${start?.isa}  loss ${from.toFixed(2)} → ${to.toFixed(2)}  ${seconds} s${stderr === '' ? '' : `\n       stderr: ${stderr.trim()}`}`,
    )
  } catch (error) {
    failed += 1
    console.log(`FAILED ${name}  ${version.split('\n')[0].trim()}\n${String(error).slice(0, 2000)}`)
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}
if (failed > 0) process.exitCode = 1
