import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { defaultThreads, physicalCores } from '../../src/engine/native/default-threads.ts'

/** Files as Linux shows them, by path; `cpus` by their folder in /sys/devices/system/cpu. */
function machine(
  allowed: string,
  cpus: readonly { siblings?: string; capacity?: number; kilohertz?: number }[],
): (path: string) => string | undefined {
  const all = new Map<string, string>()
  all.set(
    '/proc/self/status',
    `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${allowed}\nThreads:\t11\n`,
  )
  for (const [i, { siblings, capacity, kilohertz }] of cpus.entries()) {
    const folder = `/sys/devices/system/cpu/cpu${i}`
    if (siblings !== undefined) all.set(`${folder}/topology/core_cpus_list`, `${siblings}\n`)
    if (capacity !== undefined) all.set(`${folder}/cpu_capacity`, `${capacity}\n`)
    if (kilohertz !== undefined) all.set(`${folder}/cpufreq/cpuinfo_max_freq`, `${kilohertz}\n`)
  }
  return (path) => all.get(path)
}

/** Each core twice, the second half of the numbers being the second threads, as servers count. */
const server = Array.from({ length: 16 }, (_, i) => ({
  siblings: `${i % 8},${(i % 8) + 8}`,
  kilohertz: 3_700_000,
}))
/** Two fast cores with two threads each, then four slow ones. */
const laptop = [
  ...['0-1', '0-1', '2-3', '2-3'].map((siblings) => ({ siblings, kilohertz: 4_700_000 })),
  ...['4', '5', '6', '7'].map((siblings) => ({ siblings, kilohertz: 3_500_000 })),
]
/** Four slow cores, then four fast ones. */
const board = Array.from({ length: 8 }, (_, i) => ({ siblings: `${i}`, capacity: i < 4 ? 417 : 1024 }))

describe('threads where nobody says', () => {
  it.each<[string, (path: string) => string | undefined, number]>([
    ['a server with two threads a core', machine('0-15', server), 8],
    ['a process that may use two of its cores, by three threads', machine('1,3,9', server), 2],
    ['a laptop with fast and slow cores', machine('0-7', laptop), 6],
    ['a board with fast and slow cores', machine('0-7', board), 8],
    [
      'a board with very slow cores',
      machine(
        '0-7',
        board.map((core, i) => (i < 4 ? { ...core, capacity: 250 } : core)),
      ),
      4,
    ],
    ['a machine whose cores are not told', machine('0-3', [{}, {}, {}, {}]), 4],
    ['a system without such files', () => undefined, 12],
  ])('%s', (_, read, threads) => {
    expect(defaultThreads(12, read)).toBe(threads)
  })

  it('are no more than the processors that a control group gives time for', () => {
    expect(defaultThreads(3, machine('0-15', server))).toBe(3)
  })

  it('are no more than Node counts, here', () => {
    expect(defaultThreads()).toBeGreaterThanOrEqual(1)
    expect(defaultThreads()).toBeLessThanOrEqual(availableParallelism())
  })
})

describe('physical cores', () => {
  it('come with the fastest first', () => {
    expect(physicalCores(machine('0-7', board)).map(({ cpus }) => cpus)).toEqual([
      [4],
      [5],
      [6],
      [7],
      [0],
      [1],
      [2],
      [3],
    ])
    expect(physicalCores(machine('1-5', laptop))).toEqual([
      { cpus: [1], speed: 4_700_000 },
      { cpus: [2, 3], speed: 4_700_000 },
      { cpus: [4], speed: 3_500_000 },
      { cpus: [5], speed: 3_500_000 },
    ])
  })
})
