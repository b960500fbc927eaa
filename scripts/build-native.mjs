// Builds the native engine with the machine's C++ compiler, without any download: node build-native.mjs [--install] [--verbose]
// --install: part of `npm ci`; says in one line what happened and never fails the installation.
import { spawn, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, 'build', `${process.platform}-${process.arch}`)
const installing = process.argv.includes('--install')
const require = createRequire(import.meta.url)

const bf16 = '-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c -mbmi -mbmi2'
/** One table of kernels an instruction set: compiler flags and the macros of native/isa.cc. */
const x86 = [
  { isa: 'amx', table: 'kernelsAmx', lanes: 16, bf16: 1, amx: 1, flags: `${bf16} -mamx-tile -mamx-bf16` },
  { isa: 'avx512bf16', table: 'kernelsAvx512bf16', lanes: 16, bf16: 1, amx: 0, flags: bf16 },
  { isa: 'avx512', table: 'kernelsAvx512', lanes: 16, bf16: 0, amx: 0, flags: bf16.replace(/ -mavx512vnni -mavx512bf16/, '') },
  { isa: 'avx2', table: 'kernelsAvx2', lanes: 8, bf16: 0, amx: 0, flags: '-mavx2 -mfma -mf16c -mbmi -mbmi2' },
]
const portable = { isa: 'portable', table: 'kernelsPortable', lanes: 4, bf16: 0, amx: 0, flags: '' }

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++']
  for (const command of candidates) {
    try {
      execFileSync(command, ['--version'], { stdio: 'ignore' })
      return command
    } catch {
      // Not there: the next one.
    }
  }
  return undefined
}

const run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.stderr.on('data', (data) => (text += data))
    child.on('error', reject)
    child.on('close', (code) => {
      if (process.argv.includes('--verbose') && text) console.log(text)
      if (code === 0) resolve()
      else reject(new Error(`${command} ${args.join(' ')}\n${text}`))
    })
  })

async function build() {
  if (process.env.FETTLE_NATIVE === '0') return 'native engine: left out (FETTLE_NATIVE=0); the reference engine runs, slower'
  if (process.platform === 'win32') return 'native engine: not built on Windows yet; the reference engine runs, slower'
  const compiler = findCompiler()
  if (!compiler)
    return 'native engine: no C++ compiler found, so the reference engine runs, slower (install g++ or clang++, then: npm run build:native)'
  const target = join(output, 'fettle.node')
  const stamp = join(output, 'sources.sha256')
  const sources = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .toSorted()
  const hash = createHash('sha256').update(`${compiler} ${process.env.CXXFLAGS ?? ''}`)
  for (const file of [...sources, fileURLToPath(import.meta.url)]) hash.update(readFileSync(file))
  const digest = hash.digest('hex')
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest)
    return `native engine: up to date (${target})`

  const started = Date.now()
  mkdirSync(join(output, 'objects'), { recursive: true })
  const includes = [
    `-I${require('node-api-headers').include_dir}`,
    `-I${dirname(require.resolve('node-addon-api/napi.h'))}`,
    `-I${join(root, 'native')}`,
  ]
  // Contracting a·b + c to one rounding is wanted; nothing else of fast-math is, since sums must keep their order.
  const common = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=fast', '-fno-math-errno', '-Wall', '-Werror=switch', '-Wno-psabi',
    '-Wno-unused-function', '-DNAPI_VERSION=8', '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', ...(process.env.CXXFLAGS ?? '').split(' ').filter(Boolean)]
  const variants = process.arch === 'x64' ? [...x86, portable] : [portable]
  const jobs = [
    ...variants.map(({ isa, table, lanes, bf16: hasBf16, amx, flags }) => ({
      object: join(output, 'objects', `${isa}.o`),
      args: [...common, ...flags.split(' ').filter(Boolean), `-DFETTLE_ISA=${isa}`, `-DFETTLE_TABLE=${table}`, `-DFETTLE_LANES=${lanes}`,
        `-DFETTLE_HAS_BF16=${hasBf16}`, `-DFETTLE_AMX=${amx}`, `-DFETTLE_X86=${process.arch === 'x64' ? 1 : 0}`, join(root, 'native', 'isa.cc')],
    })),
    ...['addon', 'runner', 'pool', 'cpu'].map((name) => ({
      object: join(output, 'objects', `${name}.o`),
      args: [...common, ...includes, join(root, 'native', `${name}.cc`)],
    })),
  ]
  const waiting = [...jobs]
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await run(compiler, [...job.args, '-c', '-o', job.object])
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const link = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
  const temporary = `${target}.${process.pid}`
  await run(compiler, ['-shared', '-pthread', ...link, '-o', temporary, ...jobs.map(({ object }) => object)])
  renameSync(temporary, target)
  writeFileSync(stamp, digest)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return `native engine: built with ${compiler} in ${seconds} s (${(statSync(target).size / 1024).toFixed(0)} kB)`
}

try {
  console.log(await build())
} catch (error) {
  const text = error instanceof Error ? error.message : String(error)
  if (!installing) {
    console.error(text)
    process.exit(1)
  }
  console.log(`native engine: the build failed, so the reference engine runs, slower (npm run build:native shows why; ${text.split('\n').find((line) => line.includes('error')) ?? text.split('\n')[0]})`)
}
