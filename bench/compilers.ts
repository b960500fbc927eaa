// The kernels of two builds of the native engine, by turns: see bench/README.md.
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { alignedTable } from '../src/cli/bench/view.ts'
import { thisTarget } from '../src/engine/native/find-addon.ts'

const { values } = parseArgs({
  options: {
    addons: { type: 'string', default: 'build/linux-x64/fettle.node,build/linux-x64-gnu/fettle.node' },
    model: { type: 'string', default: 'assets/tiny-llama' },
    rounds: { type: 'string', default: '3' },
    least: { type: 'string', default: '0.97' },
    from: { type: 'string', default: '0' },
    to: { type: 'string', default: 'Infinity' },
    json: { type: 'boolean', default: false },
  },
})
const run = promisify(execFile)

interface Timed {
  isa: string
  kernel: string
  weights: string
  tokens: number
  ms: number
}

const place = await mkdtemp(join(tmpdir(), 'fettle-compilers-'))
try {
  const folders = await Promise.all(
    values.addons.split(',').map(async (addon, i) => {
      const folder = join(place, String(i))
      const { platform, architecture } = thisTarget()
      const built = join(folder, 'build', `${platform}-${architecture}`)
      await mkdir(built, { recursive: true })
      await copyFile(addon, join(built, 'fettle.node'))
      await copyFile('package.json', join(folder, 'package.json'))
      await symlink(import.meta.dirname, join(folder, 'bench'))
      for (const name of ['node_modules', 'assets']) await symlink(resolve(name), join(folder, name))
      return folder
    }),
  )
  /** The shortest time of each kernel, by build. */
  const best = folders.map(() => new Map<string, number>())
  let isa = ''
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [i, folder] of folders.entries()) {
      const program = join(folder, 'bench', 'kernel-times.mjs')
      const { model, from, to } = values
      // So that the addon is not looked for where the program really lies.
      const links = ['--preserve-symlinks', '--preserve-symlinks-main']
      const which = ['--model', model, '--from', from, '--to', to]
      const { stdout } = await run(process.execPath, [...links, program, ...which])
      for (const line of stdout.trim().split('\n')) {
        const { kernel, weights, tokens, ms, ...rest } = JSON.parse(line) as Timed
        isa = rest.isa
        const name = `${kernel} · ${weights} · ${tokens}`
        best[i].set(name, Math.min(best[i].get(name) ?? Infinity, ms))
      }
    }
  const [first, second] = best
  const rows = [...first].map(([name, ms]) => {
    const other = second.get(name) ?? Number.NaN
    return { name, ms, other, ratio: ms / other }
  })
  if (values.json) for (const row of rows) console.log(JSON.stringify({ isa, ...row }))
  else
    for (const line of alignedTable(
      [`kernel (${isa})`, 'first, ms', 'second, ms', 'second’s speed'],
      rows.map(({ name, ms, other, ratio }) => [
        `${ratio < Number(values.least) ? '!' : ' '} ${name}`,
        ms.toFixed(3),
        other.toFixed(3),
        `${(100 * ratio).toFixed(1)}%`,
      ]),
    ))
      console.log(line)
  const slow = rows.filter(({ ratio }) => ratio < Number(values.least)).length
  console.log(
    `${rows.length - slow} of ${rows.length} kernels at ${values.least} or more of the first build's speed`,
  )
} finally {
  await rm(place, { recursive: true, force: true })
}
