// Builds the native engine with the machine's C++ compiler, without any download:
//   node scripts/build-native.mjs            for the fastest instruction set of this machine
//   node scripts/build-native.mjs --all      for every one that this machine can run, as the tests want
//   node scripts/build-native.mjs --every    for every one of this architecture, as packages want
//   node scripts/build-native.mjs --target linux-arm64 --compiler aarch64-linux-gnu-g++
//                                            for another machine, every one of its architecture (CXX names a compiler, too)
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
const has = (flag) => process.argv.includes(flag)
const valueOf = (option) => (has(option) ? process.argv[process.argv.indexOf(option) + 1] : undefined)
const require = createRequire(import.meta.url)
const here = `${process.platform}-${process.arch}`
/** What Node calls the machine that the addon is for, where the binding looks for it. */
const target = valueOf('--target') ?? here
const [platform, architecture] = target.split('-')
const output = join(root, 'build', target)
const isX86 = architecture === 'x64'

const avx2 = ['avx2', 'fma', 'f16c', 'bmi', 'bmi2']
const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512cd']
const bf16 = [...avx512, 'avx512vnni', 'avx512bf16']
/**
 * Kernel tables by architecture, the fastest first: what the processor must list, flags that let the compiler use it
 * (-mFEATURE each, where none are given), and the macros of native/isa.cc.
 */
const variants = {
  x64: [
    { isa: 'amx', lanes: 16, bf16: 1, amx: 1, features: [...bf16, 'amx-tile', 'amx-bf16'] },
    { isa: 'avx512bf16', lanes: 16, bf16: 1, amx: 0, features: bf16 },
    { isa: 'avx512', lanes: 16, bf16: 0, amx: 0, features: avx512 },
    { isa: 'avx2', lanes: 8, bf16: 0, amx: 0, features: avx2 },
    { isa: 'portable', lanes: 4, bf16: 0, amx: 0, features: [] },
  ],
  // NEON belongs to every 64-bit ARM: what is portable elsewhere has its instructions here.
  arm64: [
    { isa: 'neonbf16', lanes: 4, bf16: 1, amx: 0, features: ['bf16'], flags: ['-march=armv8.2-a+bf16'] },
    { isa: 'neon', lanes: 4, bf16: 0, amx: 0, features: [] },
  ],
}[architecture] ?? [{ isa: 'portable', lanes: 4, bf16: 0, amx: 0, features: [] }]

/** native/isa.cc is compiled in these parts, the longest first. */
const parts = [2, 1, 3, 4, 0]

/** Variants that the machine can run; where that cannot be found out, all. */
function runnable() {
  if (target !== here || platform !== 'linux') return variants
  const flags = new Set(
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^(?:flags|Features)\s*:(.*)$/m)?.[1]
      .trim()
      .split(/\s+/)
      .map(plain),
  )
  if (process.env.CXXFLAGS?.includes('FETTLE_AMX_EMULATED')) flags.add('amxtile').add('amxbf16')
  return variants.filter(({ features }) =>
    features.every((feature) => flags.has(plain(feature)) || feature === 'bmi'),
  )
}

/** The kernel writes avx512_bf16 where the compiler writes avx512bf16. */
function plain(feature) {
  return feature.replaceAll(/[-_]/g, '')
}

const flagsOf = ({ features, flags }) => flags ?? features.map((feature) => `-m${feature}`)

/** Whether the compiler knows a variant's instructions: g++ 10 has no AMX, g++ 9 no AVX512_BF16 either. */
function compiles([command, ...args], variant) {
  try {
    const test = [...args, ...flagsOf(variant), '-x', 'c++', '-fsyntax-only', '-']
    execFileSync(command, test, { input: '', stdio: ['pipe', 'ignore', 'ignore'] })
    return true
  } catch {
    return false
  }
}

function chosen(compiler) {
  if (has('--every') || target !== here) return variants
  const able = runnable().filter((variant) => compiles(compiler, variant))
  // The kernel may refuse tiles that the processor lists (Linux before 5.16, gVisor): then the next one serves.
  return has('--all') ? able : able.slice(0, able[0]?.amx ? 2 : 1)
}

/** The compiler's command and its first arguments, such as `clang++ --target=aarch64-linux-gnu`. */
function findCompiler() {
  const wanted = valueOf('--compiler') ?? process.env.CXX
  const candidates = wanted ? [wanted] : target === here ? ['g++', 'clang++', 'c++'] : []
  return candidates
    .map((command) => command.split(' '))
    .find(([command, ...args]) => {
      try {
        execFileSync(command, [...args, '--version'], { stdio: 'ignore' })
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
    ...wanted.flatMap((variant) =>
      parts.map((part) => ({
        name: `${variant.isa}-${part}`,
        source: 'isa.cc',
        args: [
          ...common,
          ...flagsOf(variant),
          `-DFETTLE_ISA=${variant.isa}`,
          `-DFETTLE_TABLE=kernels${variant.isa[0].toUpperCase()}${variant.isa.slice(1)}`,
          `-DFETTLE_PART=${part}`,
          `-DFETTLE_LANES=${variant.lanes}`,
          `-DFETTLE_HAS_BF16=${variant.bf16}`,
          `-DFETTLE_AMX=${variant.amx}`,
          `-DFETTLE_X86=${isX86 ? 1 : 0}`,
        ],
      })),
    ),
    ...['addon', 'runner', 'weights', 'idle_memory', 'pool', 'cpu'].map((name) => ({
      name,
      source: `${name}.cc`,
      args: [...common, ...addon],
    })),
  ]
  const contents = createHash('sha256').update(compiler.join(' '))
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
  if (platform === 'win32') return `native engine: not built on Windows yet, ${slower}`
  const compiler = findCompiler()
  if (!compiler) {
    const message =
      target === here
        ? `native engine: no C++ compiler found, ${slower} (install g++ or clang++, then: npx fettle build-native)`
        : `native engine: no C++ compiler for ${target} (--compiler NAME says which)`
    if (has('--install')) return message
    throw new Error(message)
  }
  const [command, ...compilerArgs] = compiler
  const started = Date.now()
  const folder = join(output, 'objects')
  mkdirSync(folder, { recursive: true })
  const wanted = chosen(compiler)
  const jobs = jobsFor(compiler, wanted)
  const linked = createHash('sha256')
    .update(jobs.map(({ object }) => object).join())
    .digest('hex')
    .slice(0, 16)
  const library = join(output, 'fettle.node')
  const stamp = join(output, 'objects', `linked-${linked}`)
  const names = wanted.map(({ isa }) => isa).join(', ')
  if (existsSync(library) && existsSync(stamp)) return `native engine: up to date (${names})`

  const waiting = jobs.filter(({ object }) => !existsSync(object))
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const unfinished = `${job.object}.${process.pid}`
      await run(command, [
        ...compilerArgs,
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
  const undefinedSymbols = platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-Wl,--strip-all']
  const unfinished = `${library}.${process.pid}`
  await run(command, [
    ...compilerArgs,
    '-shared',
    '-pthread',
    ...undefinedSymbols,
    '-o',
    unfinished,
    ...jobs.map(({ object }) => object),
  ])
  renameSync(unfinished, library)
  const current = new Set(jobs.map(({ object }) => object))
  for (const file of readdirSync(folder)) if (!current.has(join(folder, file))) rmSync(join(folder, file))
  writeFileSync(stamp, '')
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return `native engine: built for ${names} with ${compiler.join(' ')} in ${seconds} s (${(statSync(library).size / 1024).toFixed(0)} kB)`
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
