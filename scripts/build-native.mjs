// Builds the native engine with the machine's C++ compiler, without any download:
//   node scripts/build-native.mjs            for the fastest instruction set of this machine
//   node scripts/build-native.mjs --all      for every one that this machine can run, as the tests want
//   node scripts/build-native.mjs --every    for every one of this architecture, as packages want
//   node scripts/build-native.mjs --headers  compiles each header by itself, which must include what it needs, and builds nothing
//   node scripts/build-native.mjs --target linux-arm64 --compiler aarch64-linux-gnu-g++
//                                            for another machine, every one of its architecture (CXX names a compiler, too)
//   node scripts/build-native.mjs --target linux-x64-musl --standalone
//                                            as packages want it: in a folder of its own, with the C++ runtime inside
// --only avx2,portable: no others than these.
// --kernels linux-x64-gnu --kernel-compiler NAME: the kernels are those of that target, made by its compiler if they are not there yet.
// Ends 1 with the compiler's first error when there is no addon that loads here, but for
//   --install        part of `npm ci`: says in one line what happened and never fails the installation
//   --if-compiler    part of `npm test`: a machine without a compiler is fine, everything else that fails is not
// --verbose: all of the compiler's words.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkHeaders } from './check-headers.mjs'
import { flagsOf, runnable, variantsOf } from './instruction-sets.mjs'
import { isZig, linkFlags } from './link-native.mjs'
import { objectHash, withIncluded, writeSources } from './native-sources.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const has = (flag) => process.argv.includes(flag)
const valueOf = (option) => (has(option) ? process.argv[process.argv.indexOf(option) + 1] : undefined)
const require = createRequire(import.meta.url)
const here = `${process.platform}-${process.arch}`
/** What Node calls the machine that the addon is for, where the binding looks for it; packages add their C library. */
const target = valueOf('--target') ?? here
const [platform, architecture] = target.split('-')
const output = join(root, 'build', target)
const folder = join(output, 'objects')
const kernelFolder = join(root, 'build', valueOf('--kernels') ?? target, 'objects')
const isX86 = architecture === 'x64'
const only = valueOf('--only')?.split(',')
const variants = variantsOf(architecture).filter(({ isa }) => only?.includes(isa) ?? true)

/** native/isa.cc is compiled in these parts, the longest first. */
const parts = [2, 1, 3, 4, 0, 5]

/**
 * What the compiler says against a variant's instructions, or undefined when it knows them: g++ 10 has no AMX, g++ 9 no
 * AVX512_BF16 either. From a file, since zig c++ takes none from its input.
 */
function refusal([command, ...args], variant) {
  const empty = join(folder, 'empty.cc')
  writeFileSync(empty, '')
  try {
    const stdio = ['ignore', 'ignore', 'pipe']
    execFileSync(command, [...args, ...flagsOf(variant, isZig([command, ...args])), '-fsyntax-only', empty], {
      stdio,
      encoding: 'utf8',
    })
    return undefined
  } catch (error) {
    return error.stderr || String(error)
  }
}

function chosen(compiler) {
  if (variants.length === 0)
    throw new BuildError(
      `--only ${only}: ${architecture} has ${variantsOf(architecture)
        .map(({ isa }) => isa)
        .join(', ')}`,
      '',
    )
  if (has('--every') || target !== here) return variants
  const tried = runnable(variants).map((variant) => ({ variant, refused: refusal(compiler, variant) }))
  const able = tried.filter(({ refused }) => refused === undefined).map(({ variant }) => variant)
  if (able.length === 0) {
    const names = tried.map(({ variant }) => variant.isa).join(', ') || only?.join(', ')
    throw new BuildError(`${compiler.join(' ')} compiles for none of ${names}`, tried.at(-1)?.refused ?? '')
  }
  // The kernel may refuse tiles that the processor lists (Linux before 5.16, gVisor): then the next one serves.
  return has('--all') ? able : able.slice(0, able[0].amx ? 2 : 1)
}

/** A build that failed, and what the compiler said. */
class BuildError extends Error {
  constructor(message, output) {
    super(message)
    this.output = output.trim()
  }
}

/** The first line that is an error of the compiler or linker, else the last one. */
function firstError(output) {
  const lines = output.split('\n').map((line) => line.trim())
  const isError = /(^|\s)(fatal )?error:|undefined reference|Undefined symbols/
  return (lines.find((line) => isError.test(line)) ?? lines.at(-1)) || undefined
}

/**
 * The compiler's command and its first arguments, such as `clang++ --target=aarch64-linux-gnu`; undefined where the machine has
 * none. One that is named must run.
 */
function findCompiler() {
  const wanted = valueOf('--compiler') ?? process.env.CXX
  // On Windows none is looked for: what is found there knows nothing of node.exe.
  const usual = target === here && platform !== 'win32' ? ['g++', 'clang++', 'c++'] : []
  const candidates = wanted ? [wanted] : usual
  const found = candidates
    .map((command) => command.split(' '))
    .find(([command, ...args]) => {
      try {
        execFileSync(command, [...args, '--version'], { stdio: 'ignore' })
        return true
      } catch {
        return false
      }
    })
  if (wanted && !found) throw new BuildError(`no C++ compiler found: ${wanted} does not run`, '')
  return found
}

const run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.stderr.on('data', (data) => (text += data))
    child.on('error', (error) => reject(new BuildError(`${command} does not run`, String(error))))
    child.on('close', (code) => {
      if (has('--verbose') && text) console.log(text)
      if (code === 0) resolve()
      else reject(new BuildError(`${command} ${args.join(' ')}`, text))
    })
  })

/** What is compiled: the parts of each variant, which are files of their own so that all cores have work, and the rest. */
function jobsFor(compiler, wanted) {
  const kernelCompiler = valueOf('--kernel-compiler')?.split(' ') ?? compiler
  const extra = (process.env.CXXFLAGS ?? '').split(' ').filter(Boolean)
  // Contracting a·b + c to one rounding is wanted; nothing else of fast-math is, since sums must keep their order.
  const common = [
    '-std=c++17',
    '-O3',
    ...(platform === 'win32' ? [] : ['-fPIC']),
    '-fvisibility=hidden',
    '-ffp-contract=fast',
    '-fno-math-errno',
    '-Wall',
    '-Werror=switch',
    '-Wno-psabi',
    '-Wno-unused-function',
    // zig writes what debuggers read where nobody asks for it.
    ...(isZig(compiler) ? ['-g0'] : []),
    ...extra,
  ]
  const addon = [
    `-I${require('node-api-headers').include_dir}`,
    `-I${dirname(require.resolve('node-addon-api/napi.h'))}`,
    '-DNAPI_VERSION=8',
    '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL',
    ...wanted.map(({ isa }) => `-DFETTLE_WITH_${isa}`),
  ]
  const jobs = [
    ...wanted.flatMap((variant) =>
      parts.map((part) => ({
        name: `${variant.isa}-${part}`,
        source: 'isa.cc',
        compiler: kernelCompiler,
        folder: kernelFolder,
        args: [
          ...common,
          ...flagsOf(variant, isZig(compiler)),
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
    ...[
      'addon',
      'runner_object',
      'runner',
      'program_code',
      'program_checks',
      'special_checks',
      'weights',
      platform === 'win32' ? 'pages_windows' : 'pages_posix',
      'idle_memory',
      'pool',
      'cpu',
    ].map((name) => ({
      name,
      source: `${name}.cc`,
      compiler,
      folder,
      args: [...common, ...addon],
    })),
  ]
  return jobs.map((job) => {
    const files = withIncluded(root, join(root, 'native', job.source))
    const hash = objectHash([...job.compiler, ...job.args], files)
    return { ...job, files, object: join(job.folder, `${job.name}-${hash}.o`) }
  })
}

/** Instruction sets of an addon that run here, found in a process of its own: an addon that does not load may end it. */
function loaded(library) {
  const read = 'console.log(require(process.argv[1]).isas.join(", "))'
  try {
    const isas = execFileSync(process.execPath, ['-e', read, library], {
      stdio: 'pipe',
      encoding: 'utf8',
    }).trim()
    if (isas !== '') return isas
  } catch (error) {
    throw new BuildError(`${library} does not load`, error.stderr || String(error))
  }
  throw new BuildError(`${library} has no kernels for this processor`, '')
}

/** What computes where there is no native engine. */
const instead = 'the same kernels run as WebAssembly, slower'

async function build() {
  const slower = `so ${instead}`
  if (process.env.FETTLE_NATIVE === '0') return `native engine: left out (FETTLE_NATIVE=0), ${slower}`
  const compiler = findCompiler()
  if (!compiler) {
    const message =
      target === here
        ? `native engine: no C++ compiler found, ${slower} (${platform === 'win32' ? 'npm install @fettle/engine-win32-x64' : 'install g++ or clang++, then: npx fettle build-native'})`
        : `native engine: no C++ compiler for ${target} (--compiler NAME says which)`
    if (has('--install') || has('--if-compiler')) return message
    throw new BuildError(message, '')
  }
  const [command, ...compilerArgs] = compiler
  const started = Date.now()
  for (const place of [folder, kernelFolder]) mkdirSync(place, { recursive: true })
  const wanted = chosen(compiler)
  const jobs = jobsFor(compiler, wanted)
  if (has('--headers')) {
    const args = [...compilerArgs, ...jobs[0].args, ...jobs.at(-1).args]
    const count = await checkHeaders(root, folder, {
      hasIntrinsics: isX86,
      compile: (more) => run(command, [...args, ...more]),
    })
    return `native engine: each of ${count} headers includes what it needs`
  }
  const linked = objectHash([jobs.map(({ object }) => object).join() + has('--standalone')], [])
  const library = join(output, 'fettle.node')
  const stamp = join(output, 'objects', `linked-${linked}`)
  const names = () => (target === here ? loaded(library) : wanted.map(({ isa }) => isa).join(', '))
  const noteSources = () => writeSources(root, output, new Set(jobs.flatMap(({ files }) => [...files])))
  if (existsSync(library) && existsSync(stamp)) {
    noteSources()
    return `native engine: up to date (${names()})`
  }
  const waiting = jobs.filter(({ object }) => !existsSync(object))
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const unfinished = `${job.object}.${process.pid}`
      const [program, ...first] = job.compiler
      await run(program, [
        ...first,
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
  // Under its own name: Windows' linker writes that into the file.
  const linking = join(folder, `linking-${process.pid}`)
  mkdirSync(linking)
  const unfinished = join(linking, 'fettle.node')
  await run(command, [
    ...compilerArgs,
    ...linkFlags(compiler, platform, folder, { standalone: has('--standalone') }),
    '-o',
    unfinished,
    ...jobs.map(({ object }) => object),
  ])
  renameSync(unfinished, library)
  noteSources()
  rmSync(linking, { recursive: true })
  const current = new Set(jobs.map(({ object }) => object))
  for (const file of readdirSync(folder)) if (!current.has(join(folder, file))) rmSync(join(folder, file))
  writeFileSync(stamp, '')
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return `native engine: built for ${names()} with ${compiler.join(' ')} in ${seconds} s (${(statSync(library).size / 1024).toFixed(0)} kB)`
}

try {
  console.log(await build())
} catch (error) {
  const { message, output = '' } = error
  const reason = firstError(output) ?? message
  if (!has('--install')) {
    if (output !== '') console.error(`${message}\n${output}`)
    console.error(`native engine: the build failed: ${reason}`)
    process.exit(1)
  }
  console.log(`native engine: the build failed, so ${instead} (npm run build:native shows why; ${reason})`)
}
