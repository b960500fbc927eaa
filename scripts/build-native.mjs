// Builds the native engine with the machine's C++ compiler, without any download:
//   node scripts/build-native.mjs            for the fastest instruction set of this machine
//   node scripts/build-native.mjs --all      for every one that this machine can run, as the tests want
//   node scripts/build-native.mjs --every    for every one of this architecture, as packages want
// --install: part of `npm ci`; says in one line what happened and never fails the installation. --verbose: the compiler's words.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, 'build', `${process.platform}-${process.arch}`)
const has = (flag) => process.argv.includes(flag)
const require = createRequire(import.meta.url)
const isX86 = process.arch === 'x64'

const avx2 = ['avx2', 'fma', 'f16c', 'bmi', 'bmi2']
const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512cd']
const bf16 = [...avx512, 'avx512vnni', 'avx512bf16']
/** Kernel tables, the fastest first: what the compiler may use (-m…), which the processor must have, and the macros of native/isa.cc. */
const variants = [
  ...(isX86
    ? [
        {
          isa: 'amx',
          table: 'kernelsAmx',
          lanes: 16,
          bf16: 1,
          amx: 1,
          features: [...bf16, 'amx-tile', 'amx-bf16'],
        },
        { isa: 'avx512bf16', table: 'kernelsAvx512bf16', lanes: 16, bf16: 1, amx: 0, features: bf16 },
        { isa: 'avx512', table: 'kernelsAvx512', lanes: 16, bf16: 0, amx: 0, features: avx512 },
        { isa: 'avx2', table: 'kernelsAvx2', lanes: 8, bf16: 0, amx: 0, features: avx2 },
      ]
    : []),
  { isa: 'portable', table: 'kernelsPortable', lanes: 4, bf16: 0, amx: 0, features: [] },
]

/** native/isa.cc is compiled in these parts, the longest first. */
const parts = [2, 1, 3, 4, 0]

/** Variants that this machine can run; where that cannot be found out, all. */
function runnable() {
  if (process.platform !== 'linux') return variants
  const flags = new Set(
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^flags\s*:(.*)$/m)?.[1]
      .trim()
      .split(/\s+/)
      .map(plain),
  )
  return variants.filter(({ features }) =>
    features.every((feature) => flags.has(plain(feature)) || feature === 'bmi'),
  )
}

/** The kernel writes avx512_bf16 where the compiler writes avx512bf16. */
function plain(feature) {
  return feature.replaceAll(/[-_]/g, '')
}

function chosen() {
  if (has('--every')) return variants
  const able = runnable()
  return has('--all') ? able : able.slice(0, 1)
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++']
  return candidates.find((command) => {
    try {
      execFileSync(command, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

const run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.stderr.on('data', (data) => (text += data))
    child.on('error', reject)
    child.on('close', (code) => {
      if (has('--verbose') && text) console.log(text)
      if (code === 0) resolve()
      else reject(new Error(`${command} ${args.join(' ')}\n${text}`))
    })
  })

/** Every file that a build depends on. */
function sources() {
  return readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .toSorted()
}

/** What is compiled: the parts of each variant, which are files of their own so that all cores have work, and the rest. */
function jobsFor(compiler, wanted) {
  const extra = (process.env.CXXFLAGS ?? '').split(' ').filter(Boolean)
  // Contracting a·b + c to one rounding is wanted; nothing else of fast-math is, since sums must keep their order.
  const common = [
    '-std=c++17',
    '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-ffp-contract=fast',
    '-fno-math-errno',
    '-Wall',
    '-Werror=switch',
    '-Wno-psabi',
    '-Wno-unused-function',
    ...extra,
  ]
  const addon = [
    `-I${require('node-api-headers').include_dir}`,
    `-I${dirname(require.resolve('node-addon-api/napi.h'))}`,
    '-DNAPI_VERSION=8',
    '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
    ...wanted.map(({ isa }) => `-DFETTLE_WITH_${isa}`),
  ]
  const jobs = [
    ...wanted.flatMap(({ isa, table, lanes, bf16: hasBf16, amx, features }) =>
      parts.map((part) => ({
        name: `${isa}-${part}`,
        source: 'isa.cc',
        args: [
          ...common,
          ...features.map((feature) => `-m${feature}`),
          `-DFETTLE_ISA=${isa}`,
          `-DFETTLE_TABLE=${table}`,
          `-DFETTLE_PART=${part}`,
          `-DFETTLE_LANES=${lanes}`,
          `-DFETTLE_HAS_BF16=${hasBf16}`,
          `-DFETTLE_AMX=${amx}`,
          `-DFETTLE_X86=${isX86 ? 1 : 0}`,
        ],
      })),
    ),
    ...['addon', 'runner', 'pool', 'cpu'].map((name) => ({
      name,
      source: `${name}.cc`,
      args: [...common, ...addon],
    })),
  ]
  const contents = createHash('sha256').update(compiler)
  for (const file of sources()) contents.update(readFileSync(file))
  const state = contents.digest('hex')
  return jobs.map((job) => {
    const hash = createHash('sha256').update(state).update(job.args.join(' ')).digest('hex').slice(0, 16)
    return { ...job, object: join(output, 'objects', `${job.name}-${hash}.o`) }
  })
}

async function build() {
  const slower = 'so the reference engine runs, slower'
  if (process.env.FETTLE_NATIVE === '0') return `native engine: left out (FETTLE_NATIVE=0), ${slower}`
  if (process.platform === 'win32') return `native engine: not built on Windows yet, ${slower}`
  const compiler = findCompiler()
  if (!compiler)
    return `native engine: no C++ compiler found, ${slower} (install g++ or clang++, then: npm run build:native)`
  const started = Date.now()
  const folder = join(output, 'objects')
  mkdirSync(folder, { recursive: true })
  const wanted = chosen()
  const jobs = jobsFor(compiler, wanted)
  const linked = createHash('sha256')
    .update(jobs.map(({ object }) => object).join())
    .digest('hex')
    .slice(0, 16)
  const target = join(output, 'fettle.node')
  const stamp = join(output, 'objects', `linked-${linked}`)
  const names = wanted.map(({ isa }) => isa).join(', ')
  if (existsSync(target) && existsSync(stamp)) return `native engine: up to date (${names})`

  const waiting = jobs.filter(({ object }) => !existsSync(object))
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const unfinished = `${job.object}.${process.pid}`
      await run(compiler, [
        ...job.args,
        `-I${join(root, 'native')}`,
        join(root, 'native', job.source),
        '-c',
        '-o',
        unfinished,
      ])
      renameSync(unfinished, job.object)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const undefinedSymbols =
    process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-Wl,--strip-all']
  const unfinished = `${target}.${process.pid}`
  await run(compiler, [
    '-shared',
    '-pthread',
    ...undefinedSymbols,
    '-o',
    unfinished,
    ...jobs.map(({ object }) => object),
  ])
  renameSync(unfinished, target)
  const current = new Set(jobs.map(({ object }) => object))
  for (const file of readdirSync(folder)) if (!current.has(join(folder, file))) rmSync(join(folder, file))
  writeFileSync(stamp, '')
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return `native engine: built for ${names} with ${compiler} in ${seconds} s (${(statSync(target).size / 1024).toFixed(0)} kB)`
}

try {
  console.log(await build())
} catch (error) {
  const text = error instanceof Error ? error.message : String(error)
  if (!has('--install')) {
    console.error(text)
    process.exit(1)
  }
  const first = text.split('\n').find((line) => line.includes('error')) ?? text.split('\n')[0]
  console.log(
    `native engine: the build failed, so the reference engine runs, slower (npm run build:native shows why; ${first})`,
  )
}
