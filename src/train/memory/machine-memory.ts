import { readFileSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/** How much memory this process may have in all, with what it has already. */
export interface MachineMemory {
  bytes: number
  /** What it has already, files that it looks into left out. */
  ownBytes: number
  /** What bounds it: the machine's free memory, the limit of a container (cgroup), or of the address space (ulimit -v). */
  boundBy: 'machine' | 'container' | 'address space'
}

/** What Node says of a system, in bytes. */
interface System {
  platform: NodeJS.Platform
  free: number
  total: number
}

/** Text of a file of the system, undefined where there is none. */
type Read = (path: string) => string | undefined

/** Larger limits are none: some systems write the largest number that they know. */
const noLimit = 2 ** 60
const cgroups = '/sys/fs/cgroup'

/**
 * Looks how much memory there is now. What the file cache holds counts as free: the system takes it back when it is needed.
 *
 * @param read    default the files of this system; elsewhere than on Linux there are none
 * @param system  for tests
 */
export function machineMemory(
  read: Read = readText,
  system: System = { platform: process.platform, free: freemem(), total: totalmem() },
): MachineMemory {
  const status = fieldsOf(read('/proc/self/status'))
  const own = status.get('RssAnon') ?? process.memoryUsage.rss()
  const free = fieldsOf(read('/proc/meminfo')).get('MemAvailable') ?? freeElsewhere(system)
  const bound = (room: number, boundBy: MachineMemory['boundBy']): MachineMemory => ({
    bytes: own + room,
    ownBytes: own,
    boundBy,
  })
  const bounds = [bound(free, 'machine'), ...containerRooms(read).map((room) => bound(room, 'container'))]
  const addresses = Number(/^Max address space +(\d+)/m.exec(read('/proc/self/limits') ?? '')?.[1])
  if (addresses < noLimit) bounds.push(bound(addresses - (status.get('VmSize') ?? 0), 'address space'))
  return bounds.reduce((least, other) => (other.bytes < least.bytes ? other : least))
}

/**
 * Windows counts what it keeps of files as free. macOS does not, nor what it would compress or take from idle programs, so that what
 * it calls free is small on every machine that has run for a while: there it is taken for half of the memory at least.
 */
function freeElsewhere({ platform, free, total }: System): number {
  return platform === 'win32' ? free : Math.max(free, total / 2)
}

/** What each control group that this process is in has left; both versions of cgroups. */
function containerRooms(read: Read): number[] {
  const groups = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'))
  const unified = groups.find(([number]) => number === '0')?.[2]
  const memory = groups.find(([, controllers = '']) => controllers.split(',').includes('memory'))?.[2]
  return [
    ...foldersOf(cgroups, unified).map((folder) => {
      const limits = [read(join(folder, 'memory.max')), read(join(folder, 'memory.high'))].map(numberOf)
      const used = numberOf(read(join(folder, 'memory.current')))
      return Math.min(...limits) - used + cached(read(join(folder, 'memory.stat')), '')
    }),
    ...foldersOf(join(cgroups, 'memory'), memory).map((folder) => {
      const limit = numberOf(read(join(folder, 'memory.limit_in_bytes')))
      const used = numberOf(read(join(folder, 'memory.usage_in_bytes')))
      return limit - used + cached(read(join(folder, 'memory.stat')), 'total_')
    }),
  ].filter((room) => Number.isFinite(room))
}

/** The folder of a group and of all that it is in; in a container the group's own path may not be there, but the root is. */
function foldersOf(root: string, group: string | undefined): string[] {
  if (group === undefined) return []
  const folders = [root]
  for (let path = group; path !== '/' && path !== '.' && path !== ''; path = dirname(path))
    folders.push(join(root, path))
  return folders
}

/** Bytes of files in memory. */
function cached(stat: string | undefined, prefix: string): number {
  const at = (name: string) => Number(new RegExp(`^${prefix}${name} (\\d+)`, 'm').exec(stat ?? '')?.[1] ?? 0)
  return at('inactive_file') + at('active_file')
}

/** A number of bytes; Infinity for none, `max`, and numbers that stand for it. */
function numberOf(text: string | undefined): number {
  const value = Number(text?.trim() || Number.NaN)
  return value < noLimit ? value : Number.POSITIVE_INFINITY
}

/** `Name: 123 kB`, in bytes. */
function fieldsOf(text = ''): Map<string, number> {
  return new Map(
    [...text.matchAll(/^(\w+):\s+(\d+) kB/gm)].map(([, name, kib]) => [name, Number(kib) * 1024]),
  )
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
