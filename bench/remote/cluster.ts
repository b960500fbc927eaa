import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createJobsClient } from '../../src/remote/ray/jobs-client.ts'
import { startProgram } from './processes.ts'

/** A cluster of this program. */
export interface Cluster {
  address: URL
  /** Process of each machine's `ray start`, the head first. */
  nodes: number[]
}

const quiet = { RAY_USAGE_STATS_ENABLED: '0', RAY_DISABLE_IMPORT_WARNING: '1' }
const objectStore = ['--object-store-memory', '200000000']

/** Of namespaces, bridge and cables, so that two of these programs do not meet. */
const tag = `f${process.pid % 10_000}n`

/** A cluster of one machine: this one. */
export async function startHead(
  ray: string,
  work: string,
  environment: Record<string, string> = {},
): Promise<Cluster> {
  const port = 8399
  const folder = join('/tmp', `fettle-ray-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  const child = startProgram(
    ray,
    [
      'start',
      '--block',
      '--head',
      '--port',
      '6392',
      '--dashboard-host',
      '127.0.0.1',
      '--dashboard-port',
      String(port),
      '--dashboard-agent-listen-port',
      '52398',
      '--num-cpus',
      '2',
      '--temp-dir',
      folder,
      ...objectStore,
    ],
    join(work, 'head.log'),
    { ...quiet, ...environment },
  )
  return waitFor(new URL(`http://127.0.0.1:${port}`), [child.pid ?? 0])
}

/** Three machines, each a network namespace of its own behind one bridge. Needs root and iproute2. */
export async function startThree(ray: string, work: string): Promise<Cluster> {
  const folder = join('/tmp', `fettle-ray3-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  makeNetwork(3)
  const nodes: number[] = []
  // Two that start at once on two cores may both be too slow for Ray.
  const environment = { ...quiet, GLOO_SOCKET_IFNAME: 'eth0', RAY_raylet_start_wait_time_s: '120' }
  for (const i of [1, 2, 3]) {
    const where =
      i === 1
        ? ['--head', '--port', '6379', '--dashboard-host', '10.78.0.1', '--temp-dir', folder]
        : ['--address', '10.78.0.1:6379']
    const args = [
      'netns',
      'exec',
      `${tag}${i}`,
      ray,
      'start',
      '--block',
      ...where,
      '--node-ip-address',
      `10.78.0.${i}`,
      '--num-cpus',
      '1',
      ...objectStore,
    ]
    nodes.push(startProgram('ip', args, join(work, `node-${i}.log`), environment).pid ?? 0)
    if (i === 1) await waitFor(new URL('http://10.78.0.1:8265'), nodes)
    else await delay(10_000)
  }
  return { address: new URL('http://10.78.0.1:8265'), nodes }
}

/** The namespace of a machine, 1 for the first. */
export const namespaceOf = (i: number): string => `${tag}${i}`

/**
 * Namespaces behind one bridge, in place of those that were there.
 *
 * @param named  whether each machine knows the others as machine1, machine2 …; else they have the names that this one knows
 */
export function makeNetwork(count: number, named = false): void {
  endNetwork()
  ip(`link add ${tag}br type bridge`)
  ip(`addr add 10.78.0.254/24 dev ${tag}br`)
  ip(`link set ${tag}br up`)
  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  const hosts = numbers.map((i) => `10.78.0.${i} machine${i}\n`).join('')
  for (const i of numbers) {
    ip(`netns add ${tag}${i}`)
    ip(`link add ${tag}v${i} type veth peer name eth0 netns ${tag}${i}`)
    ip(`link set ${tag}v${i} master ${tag}br up`)
    ip(`-n ${tag}${i} addr add 10.78.0.${i}/24 dev eth0`)
    ip(`-n ${tag}${i} link set eth0 up`)
    ip(`-n ${tag}${i} link set lo up`)
    if (!named) continue
    // ip netns exec puts these in place of /etc's.
    mkdirSync(`/etc/netns/${tag}${i}`, { recursive: true })
    writeFileSync(`/etc/netns/${tag}${i}/hosts`, `127.0.0.1 localhost\n${hosts}`)
  }
}

/** Takes namespaces and bridge away. */
export function endNetwork(): void {
  for (const args of [...[1, 2, 3].map((i) => `netns del ${tag}${i}`), `link del ${tag}br`])
    try {
      ip(args)
    } catch {
      // It was not there.
    }
  for (const i of [1, 2, 3]) rmSync(`/etc/netns/${tag}${i}`, { recursive: true, force: true })
}

function ip(args: string): void {
  execFileSync('ip', args.split(' '), { stdio: ['ignore', 'ignore', 'ignore'] })
}

async function waitFor(address: URL, nodes: number[]): Promise<Cluster> {
  const client = createJobsClient(address)
  for (let i = 0; i < 90; i += 1) {
    const isThere = await client.version().then(
      () => true,
      () => false,
    )
    if (isThere) return { address, nodes }
    await delay(2000)
  }
  throw new Error(`no cluster at ${address.href}`)
}
