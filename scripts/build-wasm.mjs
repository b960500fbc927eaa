// Builds assets/engine.wasm, the kernels of native/ for hosts without a prebuilt addon and for pages:
//   npm run build:wasm              with zig, which it installs from PyPI into build/wasm/ when it is not there (Python 3 needed)
//   npm run build:wasm -- --check   says whether the file is that of the sources, and builds nothing
// The file is committed: see docs/engine.md.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { jobs, linking, root, sourcesHash, zig } from './wasm-sources.mjs'

const folder = join(root, 'build', 'wasm')
const venv = join(folder, 'venv')
const file = join(root, 'assets', 'engine.wasm')
const hash = sourcesHash()

/** zig c++, which is clang with its C library's sources. */
function compiler() {
  const given = process.env.FETTLE_ZIG
  if (given) return [...given.split(' '), 'c++']
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const versioned = `${zig.package}==${zig.version}`
  if (!existsSync(join(venv, versioned))) {
    console.log(`installing ${versioned} from PyPI into ${venv}`)
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', versioned], { stdio: 'inherit' })
    mkdirSync(join(venv, versioned))
  }
  return [python, '-m', 'ziglang', 'c++']
}

const run = ([command, ...first], args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...args], { stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ends with ${code}`))))
  })

async function build() {
  const zigCompiler = compiler()
  const objects = join(folder, 'objects')
  rmSync(objects, { recursive: true, force: true })
  mkdirSync(objects, { recursive: true })
  const waiting = jobs.slice()
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift())
      await run(zigCompiler, [
        ...job.args,
        ...(job.name === 'wasm-border' ? [`-DFETTLE_SOURCES="${hash}"`] : []),
        `-I${join(root, 'native')}`,
        '-c',
        join(root, 'native', job.source),
        '-o',
        join(objects, `${job.name}.o`),
      ])
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const unfinished = join(folder, 'engine.wasm')
  await run(zigCompiler, [
    ...linking,
    '-o',
    unfinished,
    ...jobs.map(({ name }) => join(objects, `${name}.o`)),
  ])
  renameSync(unfinished, file)
  console.log(`assets/engine.wasm: built from ${hash} (${(statSync(file).size / 1024).toFixed(0)} kB)`)
}

const isCurrent = existsSync(file) && readFileSync(file).includes(hash)
if (isCurrent) console.log(`assets/engine.wasm: up to date (${hash})`)
else if (process.argv.includes('--check')) {
  console.error('assets/engine.wasm was built from other sources: npm run build:wasm, and commit it')
  process.exitCode = 1
} else await build()
