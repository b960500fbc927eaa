// Makes every package that is published, as archives in a folder:
//   npm run packages                                   all of them, into build/packages
//   npm run packages -- --only linux-x64-gnu,fettle    some
//   npm run packages -- --isas avx2,portable           with some of the instruction sets, to try things
//   npm run packages -- --built                        packs the engines that were compiled before, and compiles none
// Needs Node, Python and the registries of npm and PyPI, and takes the compiler from there: ziglang, as requirements.txt names it with its
// hashes, in a folder of its own. Two runs give the same bytes.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engineManifest, fettleManifest, packageName, platforms } from './manifests.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const out = join(root, 'build', 'packages')
const work = join(out, 'work')
/** Of fettle's own archive: nobody should wait for it. */
const mostBytes = 8_000_000

const valueOf = (option) =>
  process.argv.includes(option) ? process.argv[process.argv.indexOf(option) + 1] : undefined
const only = valueOf('--only')?.split(',') ?? [...platforms.map(({ name }) => name), 'fettle']
const isas = valueOf('--isas')
const compiles = !process.argv.includes('--built')
const unknown = only.filter(
  (name) => name !== 'fettle' && !platforms.some((platform) => platform.name === name),
)
if (unknown.length > 0) {
  console.error(
    `--only: ${unknown.join(', ')}; expected ${platforms.map(({ name }) => name).join(', ')}, fettle`,
  )
  process.exit(2)
}

const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options })

/** The compiler's command: a Python environment that pip fills with what the lock file names, checking its hash. */
function zig() {
  const environment = join(work, 'zig')
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const requirements = join(root, 'scripts', 'packages', 'requirements.txt')
  const stamp = join(environment, `installed-${hashOf(requirements)}`)
  if (!existsSync(stamp)) {
    rmSync(environment, { recursive: true, force: true })
    run('python3', ['-m', 'venv', environment])
    run(python, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--require-hashes',
      '-r',
      requirements,
    ])
    writeFileSync(stamp, '')
  }
  return `${python} -m ziglang c++`
}

const hashOf = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')

const npm = (args, cwd) =>
  execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    shell: process.platform === 'win32',
  })

/** Packs a folder; npm orders the files and gives them one date, so that the bytes follow from what they hold. */
function pack(folder) {
  const text = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', out], folder)
  // npm 11 gives a list, npm 12 an object of packages.
  const [{ filename }] = Object.values(JSON.parse(text))
  const path = join(out, filename.replace(/^@/, '').replace('/', '-'))
  console.log(`${path}  ${(statSync(path).size / 1e6).toFixed(2)} MB  sha256 ${hashOf(path)}`)
  return path
}

function fresh(name) {
  const folder = join(work, name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

/** Compiles the engine of a platform into build/<platform>. */
function compileEngine(platform, compiler) {
  const kernels = platforms.find(({ name }) => name === platform.kernels)
  run(
    process.execPath,
    [
      join('scripts', 'build-native.mjs'),
      '--standalone',
      '--target',
      platform.name,
      '--compiler',
      `${compiler} -target ${platform.zig}`,
      ...(kernels === undefined
        ? []
        : ['--kernels', kernels.name, '--kernel-compiler', `${compiler} -target ${kernels.zig}`]),
      ...(isas === undefined ? [] : ['--only', isas]),
    ],
    {
      env: { ...process.env, CXXFLAGS: '', FETTLE_NATIVE: '', ZIG_GLOBAL_CACHE_DIR: join(work, 'zig-cache') },
    },
  )
}

/** Packs the engine of a platform. */
function packEngine(fettle, platform) {
  const folder = fresh(platform.name)
  copyFileSync(join(root, 'build', platform.name, 'fettle.node'), join(folder, 'fettle.node'))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  writeFileSync(
    join(folder, 'README.md'),
    `The native engine of [fettle](https://www.npmjs.com/package/fettle) for ${platform.name}. fettle installs it by itself.\n`,
  )
  writeJson(join(folder, 'package.json'), engineManifest(fettle, platform))
  pack(folder)
}

/** Packs fettle with the hashes of the engines that were made. */
function makeFettle(fettle) {
  const shell = process.platform === 'win32'
  for (const script of ['build', 'site']) run('npm', ['run', '--silent', script], { shell })
  const folder = fresh('fettle')
  // npm knows best what `files` means.
  const [{ files }] = Object.values(
    JSON.parse(npm(['pack', '--dry-run', '--json', '--ignore-scripts'], root)),
  )
  for (const { path } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    copyFileSync(join(root, path), join(folder, path))
  }
  const made = platforms.filter(({ name }) => existsSync(join(work, name, 'fettle.node')))
  const hashes = made.map((platform) => [
    packageName(platform),
    hashOf(join(work, platform.name, 'fettle.node')),
  ])
  writeJson(join(folder, 'package.json'), fettleManifest(fettle, Object.fromEntries(hashes)))
  const { size } = statSync(pack(folder))
  if (size > mostBytes) throw new Error(`fettle's package has ${size} bytes; expected at most ${mostBytes}`)
  const missing = platforms.filter((platform) => !made.includes(platform)).map(({ name }) => name)
  if (missing.length > 0) console.log(`without the hashes of ${missing.join(', ')}, which were not made`)
}

const fettle = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
mkdirSync(work, { recursive: true })
const wanted = platforms.filter(({ name }) => only.includes(name))
const compiler = compiles && wanted.length > 0 ? zig() : ''
for (const platform of wanted) {
  const started = Date.now()
  if (compiles) compileEngine(platform, compiler)
  packEngine(fettle, platform)
  console.log(`${platform.name}: ${((Date.now() - started) / 1000).toFixed(0)} s`)
}
if (only.includes('fettle')) makeFettle(fettle)
