import { readFileSync } from 'node:fs'
import { processorsHere } from './processors.ts'

/** The text of a file, or undefined where there is none. */
type ReadText = (path: string) => string | undefined

/** A processor core: what its logical processors are, and how fast it is beside others of this machine. */
interface PhysicalCore {
  cpus: number[]
  /** The kernel's measure (1024: the fastest), else the highest clock in kHz, else 0. */
  speed: number
}

/** Slower cores than this share of the fastest get no thread: everybody would wait for the last piece of work that they took. */
const slowestShare = 1 / 3

/**
 * As many threads as kernels work on where nobody says: the physical cores that this process may use, but for very slow ones, and at
 * most as many as its control groups let it use at a time. Two threads on one core share its multipliers, so a second one gains
 * nothing. Systems put threads that are busy on the fast cores first.
 *
 * Where the system does not tell of cores (it is not Linux): `processors`.
 */
export function defaultThreads(processors = processorsHere(), read: ReadText = readText): number {
  const cores = physicalCores(read)
  const useful = cores.filter(({ speed }) => speed >= slowestShare * cores[0].speed)
  return Math.min(useful.length || processors, processors)
}

/**
 * The cores that this process may run on, the fastest first; none where the system does not tell.
 * Source: Documentation/ABI/stable/sysfs-devices-system-cpu, cpusets(7)
 */
export function physicalCores(read: ReadText = readText): PhysicalCore[] {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status') ?? '')?.[1]
  if (allowed === undefined) return []
  const cores = new Map<string, PhysicalCore>()
  for (const cpu of numbersOf(allowed)) {
    const folder = `/sys/devices/system/cpu/cpu${cpu}`
    const siblings = ['core_cpus_list', 'thread_siblings_list'].map((name) =>
      read(`${folder}/topology/${name}`),
    )
    const key = siblings.find((list) => list !== undefined)?.trim() ?? `${cpu}`
    const speed = ['cpu_capacity', 'cpufreq/cpuinfo_max_freq'].map((name) =>
      Number(read(`${folder}/${name}`)),
    )
    const core = cores.get(key) ?? { cpus: [], speed: speed.find((value) => value > 0) ?? 0 }
    core.cpus.push(cpu)
    cores.set(key, core)
  }
  return [...cores.values()].toSorted((a, b) => b.speed - a.speed)
}

/** '0-2,5' → 0, 1, 2, 5. */
function numbersOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
