// What `npm run packages` made, as somebody gets it who installs it: see bench/README.md.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { machineName } from '../src/engine/native/index.ts'
import { readAddonFormat } from './packages/addon-format.ts'
import { fileOf, serveArchives } from './packages/local-registry.ts'

const { values } = parseArgs({ options: { folder: { type: 'string', default: 'build/packages' } } })
const run = promisify(execFile)
const archives = resolve(values.folder)
const engine = `@fettle/engine-${machineName()}`
const files = await readdir(archives)
const archiveOf = (start: RegExp): string => {
  const name = files.find((file) => start.test(file))
  if (name === undefined)
    throw new Error(
      `${archives} has no archive ${String(start)}: npm run packages -- --only ${machineName()},fettle`,
    )
  return join(archives, name)
}
const fettle = archiveOf(/^fettle-\d.*\.tgz$/)
const prebuilt = archiveOf(new RegExp(`^fettle-engine-${machineName()}-\\d.*\\.tgz$`))
const registry = await serveArchives(archives)
const nowhere = 'http://127.0.0.1:9/'

interface Told {
  engine: { name: string; isa: string }
  addon: { from?: string; problem?: string }
}

/** Installs into an empty folder, as a user does. */
async function install(packages: readonly string[], scope: string, ...flags: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fettle-install-'))
  await writeFile(join(folder, 'package.json'), '{ "name": "somebody", "private": true }')
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--fetch-retries=0']
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await run(npm, ['install', ...packages, `--@fettle:registry=${scope}`, ...quiet, ...flags], { cwd: folder })
  return folder
}

async function fettleIn(folder: string, ...args: string[]) {
  const cli = join(folder, 'node_modules', 'fettle', 'dist', 'cli.mjs')
  const { FETTLE_NATIVE: _, ...env } = process.env
  return run(process.execPath, [cli, ...args], { cwd: folder, env })
}

async function machineIn(folder: string): Promise<Told> {
  const { stdout } = await fettleIn(folder, 'doctor', '--machine', '--json')
  return JSON.parse(stdout) as Told
}

let failed = 0
function expectThat(holds: boolean, what: string): void {
  if (!holds) failed += 1
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`)
}

/** What an addon may ask each system for, and nothing else. */
const systemLibraries: Readonly<Record<string, RegExp>> = {
  gnu: /^(lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^libc\.so$/,
  darwin: /^\/usr\/lib\/libSystem\.B\.dylib$/,
  win32: /^(node\.exe|KERNEL32\.dll|api-ms-win-crt-.*\.dll)$/i,
}
for (const name of files.filter((each) => each.startsWith('fettle-engine-')).toSorted()) {
  const machine = name.replace(/^fettle-engine-(.*)-\d+\.\d+\.\d+.*$/, '$1')
  const [platform, processor, libc = platform] = machine.split('-')
  const archive = await readFile(join(archives, name))
  const found = readAddonFormat(fileOf(archive, 'fettle.node'))
  const { needs, glibc, signature } = found
  const isSigned = platform !== 'darwin' || processor !== 'arm64' || signature?.startsWith('ad hoc') === true
  const isOld = glibc === undefined || Number(glibc.split('.')[1]) <= 28
  expectThat(
    found.processor === processor &&
      isOld &&
      isSigned &&
      needs.every((each) => systemLibraries[libc].test(each)),
    [
      `${machine}: ${(archive.length / 1e6).toFixed(2)} MB, ${found.format}, ${found.processor}, needs ${needs.join(' ')}`,
      ...(glibc === undefined ? [] : [`glibc ${glibc}`]),
      ...(signature === undefined ? [] : [`signature: ${signature}`]),
    ].join(', '),
  )
}

const folders: string[] = []
try {
  const fromRegistry = await install([fettle], registry.url)
  folders.push(fromRegistry)
  const scope = await readdir(join(fromRegistry, 'node_modules', '@fettle'))
  expectThat(
    scope.join() === `engine-${machineName()}`,
    `a registry's npm install brings one engine: ${scope.join()}`,
  )
  const told = await machineIn(fromRegistry)
  expectThat(told.engine.name === 'native', `runs on ${told.engine.name}, ${told.engine.isa}`)
  expectThat(told.addon.from === engine, `from ${told.addon.from}`)
  const { stdout, stderr } = await fettleIn(fromRegistry, 'demo', '--steps', '40')
  expectThat(
    /loss \d\S+ → 0\.\d/.test(stdout) && stderr === '',
    'the demo learns, and says nothing on stderr',
  )

  const fromFiles = await install([fettle, prebuilt], nowhere)
  folders.push(fromFiles)
  expectThat(
    (await machineIn(fromFiles)).engine.name === 'native',
    'two files and no registry of ours: native',
  )

  const addon = join(fromFiles, 'node_modules', engine, 'fettle.node')
  await appendFile(addon, 'x')
  const damaged = await machineIn(fromFiles)
  expectThat(
    /SHA-256 differs/.test(damaged.addon.problem ?? ''),
    `a changed addon is not loaded: ${damaged.addon.problem}`,
  )
  await rm(join(fromFiles, 'node_modules', engine), { recursive: true })
  const without = await fettleIn(fromFiles, 'demo', '--steps', '1')
  const notes = without.stderr.trim().split('\n')
  expectThat(
    notes.length === 1 && notes[0].includes(`npm install ${engine}@`),
    `without an engine, one line: ${notes[0]}`,
  )
  const unfit = await install([fettle], registry.url, '--os=openbsd', '--cpu=x64')
  folders.push(unfit)
  const other = await machineIn(unfit)
  expectThat(
    other.engine.name === 'wasm' && !existsSync(join(unfit, 'node_modules', '@fettle')),
    `where no package fits: ${other.engine.name}, ${other.engine.isa}`,
  )
  const learned = await fettleIn(unfit, 'demo', '--steps', '40')
  expectThat(
    /loss \d\S+ → 0\.\d/.test(learned.stdout) && learned.stderr.trim().split('\n').length === 1,
    'the demo learns there, and says one line on stderr',
  )
  const asked = await fettleIn(fromFiles, 'demo', '--steps', '1', '--engine', 'reference')
  expectThat(asked.stderr === '', 'nothing is said to who asked for the reference engine')
} finally {
  registry.close()
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
}
if (failed > 0) process.exitCode = 1
