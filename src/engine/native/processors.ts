import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Processors that this process may use: those that it may run on, and no more than its control groups give it time for (a container
 * of 2.5 processors has 3 threads). Node itself counts the time only in its newer versions.
 */
export function processorsHere(): number {
  return Math.min(availableParallelism(), Math.max(1, Math.ceil(processorLimit() ?? Infinity)))
}

/**
 * The share of processors that the control groups of this process give it, as docker's `--cpus` and Kubernetes' limits set it;
 * undefined where there is no limit, and elsewhere than on Linux.
 * Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cfs_quota_us).
 *
 * @param root  `/`, but for tests
 */
export function processorLimit(root = '/'): number | undefined {
  const groups = read(join(root, 'proc', 'self', 'cgroup'))
  const limits = groups.split('\n').flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || group === undefined) return []
    if (controllers === '') return limitsOf(join(root, 'sys/fs/cgroup'), group, versionTwo)
    if (!controllers.split(',').includes('cpu')) return []
    return ['cpu', 'cpu,cpuacct'].flatMap((mount) =>
      limitsOf(join(root, 'sys/fs/cgroup', mount), group, versionOne),
    )
  })
  return limits.length === 0 ? undefined : Math.min(...limits)
}

/** Of a group and all that it is in; a container sees its own group as the mount itself. */
function limitsOf(mount: string, group: string, limitOf: (folder: string) => number | undefined): number[] {
  const found: number[] = []
  for (let inside = group; ; inside = dirname(inside)) {
    const limit = limitOf(join(mount, inside))
    if (limit !== undefined) found.push(limit)
    if (inside === '/' || inside === '.') return found
  }
}

/** `max 100000` or `250000 100000`: time in each period, both in microseconds. */
function versionTwo(folder: string): number | undefined {
  return share(...read(join(folder, 'cpu.max')).trim().split(' '))
}

function versionOne(folder: string): number | undefined {
  return share(read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us')))
}

function share(quota = '', period = ''): number | undefined {
  const limit = Number.parseInt(quota, 10) / Number.parseInt(period, 10)
  return limit > 0 && Number.isFinite(limit) ? limit : undefined
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
