// What `npm run packages` made, on systems that this machine is not: see bench/README.md.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { checkFiles } from './elsewhere/files.ts'
import { cli, eventsOf, lastLine, nodeIn, startNode, type Place } from './elsewhere/place.ts'
import { systems } from './elsewhere/systems.ts'
import { serveArchives } from './packages/local-registry.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(systems).join() },
    folder: { type: 'string', default: 'build/packages' },
    parts: { type: 'string', default: 'ops,demo,resume,files' },
    node: { type: 'string' },
    ops: { type: 'string', default: '' },
    every: { type: 'string' },
    steps: { type: 'string', default: '20' },
  },
})
const execute = promisify(execFile)
const archives = resolve(values.folder)
const fettle = (await readdir(archives)).find((name) => /^fettle-\d.*\.tgz$/.test(name))
if (fettle === undefined) throw new Error(`${archives} has no fettle: npm run packages`)
const registry = await serveArchives(archives)

let failed = 0
function expectThat(holds: boolean, what: string): void {
  if (!holds) failed += 1
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
}

async function install(name: string): Promise<Place> {
  const { npm, env, node, major } = systems[name]
  const folder = resolve('build', 'elsewhere', name)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "name": "somebody", "private": true }')
  const quiet = [
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--ignore-scripts',
    `--@fettle:registry=${registry.url}`,
  ]
  await execute('npm', ['install', join(archives, fettle ?? ''), ...quiet, ...npm], { cwd: folder })
  await cp(resolve('build', 'op-tests'), join(folder, 'node_modules', 'fettle', 'op-tests'), {
    recursive: true,
  })
  const place = resolve('build', 'elsewhere', 'node', name)
  await mkdir(place, { recursive: true })
  return {
    name,
    folder,
    command: await node(place, values.node ?? major),
    env: { ...process.env, FETTLE_NATIVE: undefined, ...env },
  }
}

async function machine(place: Place): Promise<boolean> {
  const { stdout, stderr } = await nodeIn(place, cli, 'doctor', '--machine', '--json')
  try {
    const {
      engine,
      addon,
      machine: name,
      runtime,
    } = JSON.parse(stdout) as {
      engine: { name: string; isa: string }
      addon: { from?: string; problem?: string; instructionSets?: string[] }
      machine: string
      runtime: string
    }
    expectThat(
      engine.name === 'native' && addon.from === `@fettle/engine-${place.name}`,
      `${place.name}: ${name}, ${runtime}, engine ${engine.name} ${engine.isa} from ${addon.from ?? addon.problem}, kernels that run here: ${addon.instructionSets?.join(', ')}`,
    )
    return engine.name === 'native'
  } catch {
    expectThat(
      false,
      `${place.name}: fettle doctor --machine says ${stdout.slice(0, 500)} ${stderr.slice(0, 2000)}`,
    )
    return false
  }
}

async function ops(place: Place): Promise<void> {
  const every = values.every ?? String(systems[place.name].every)
  const begun = performance.now()
  const { code, stdout, stderr } = await nodeIn(
    place,
    'node_modules/fettle/op-tests/op-tests.mjs',
    '--every',
    every,
    '--only',
    values.ops,
  )
  const told = code === 0 ? lastLine(stdout) : `exit ${code}\n${stdout.slice(-3000)}\n${stderr.slice(-2000)}`
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  expectThat(code === 0, `${place.name}: op tests, one in ${every}, ${seconds} s: ${told}`)
}

async function demo(place: Place): Promise<void> {
  const { code, stdout, stderr } = await nodeIn(place, cli, 'demo', '--json', '--steps', values.steps)
  const steps = eventsOf(stdout).filter(({ type }) => type === 'step')
  const [from, to] = [steps[0]?.loss ?? Number.NaN, steps.at(-1)?.loss ?? Number.NaN]
  const speed = steps.at(-1)?.tokens_per_second?.toFixed(0)
  const told = code === 0 ? '' : ` exit ${code}: ${stderr.slice(-2000)}`
  expectThat(
    code === 0 && to < from && stderr === '',
    `${place.name}: demo, ${steps.length} steps, loss ${from.toFixed(2)} → ${to.toFixed(2)}, ${speed} tokens/s${told}`,
  )
}

/** A run that is killed after its second checkpoint goes on to the bytes of one that is not. */
async function resume(place: Place): Promise<void> {
  const assets = 'node_modules/fettle/assets'
  const train = [cli, 'train', `${assets}/demo.jsonl`, '--model', `${assets}/tiny-llama`, '--json']
  train.push(...'--max-steps 7 --save-steps 2 --max-length 128 --lora-r 4 --lora-dropout 0.1'.split(' '))
  const whole = await nodeIn(place, ...train, '--output-dir', 'whole')
  const { child, ended, printed } = startNode(place, [...train, '--output-dir', 'killed'])
  const watch = setInterval(async () => {
    const [stdout] = await printed()
    if (stdout.includes('"step":5')) child.kill('SIGKILL')
  }, 20)
  await ended
  clearInterval(watch)
  const left = existsSync(join(place.folder, 'killed')) ? await readdir(join(place.folder, 'killed')) : []
  const next = await nodeIn(place, ...train, '--output-dir', 'killed', '--resume')
  const adapter = (of: string) =>
    readFile(join(place.folder, of, 'adapter_model.safetensors')).catch(() => Buffer.alloc(0))
  const [expected, found] = [await adapter('whole'), await adapter('killed')]
  const isEqual = expected.length > 0 && expected.equals(found)
  const firstStep = eventsOf(next.stdout).find(({ type }) => type === 'step')?.step
  expectThat(
    whole.code === 0 && next.code === 0 && isEqual && firstStep === 5,
    `${place.name}: killed after step 5 (left ${left.join(' ')}), went on with step ${firstStep}, ${isEqual ? 'the same bytes' : `other bytes ${whole.stderr.slice(-500)} ${next.stderr.slice(-500)}`}`,
  )
}

const files = (place: Place): Promise<void> => checkFiles(place, expectThat)
const parts: Readonly<Record<string, (place: Place) => Promise<void>>> = { ops, demo, resume, files }
try {
  for (const name of values.only.split(',')) {
    const lacking = Object.entries(systems[name].wants).filter(([path]) => !existsSync(path))
    if (lacking.length > 0) {
      expectThat(
        false,
        `${name}: apt-get install --no-install-recommends ${lacking.map(([, debian]) => debian).join(' ')}`,
      )
      continue
    }
    const place = await install(name)
    if (!(await machine(place))) continue
    for (const part of values.parts.split(',')) await parts[part](place)
  }
} finally {
  registry.close()
}
process.exitCode = failed > 0 ? 1 : 0
