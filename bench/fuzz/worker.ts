// Runs cases of one target in a process of its own, which may end: the campaign starts another.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FettleError } from '../../src/index.ts'
import { openJudge, type Judge } from './judge.ts'
import { randomOf } from './mutate/random.ts'
import type { OpenTarget, Outcome } from './target.ts'
import { targets } from './targets/index.ts'

/** What the campaign asks of a worker, in its one argument. */
export interface Assignment {
  target: string
  seed: number
  /** Numbers of the cases: from, from + stride, … below end. */
  from: number
  end: number
  stride: number
  folder: string
  /** Python with the safetensors package, where there is one. */
  python?: string
}

/** What a worker says of the case that it is at. */
export type Report =
  | { kind: 'ready' }
  | { kind: 'begin'; number: number }
  | { kind: 'end'; number: number; outcome: Outcome; elapsedMs: number }

const mebibyte = 2 ** 20
const allowedGrowthBytes = 300 * mebibyte
/** No message needs more: it quotes at most 200 characters of a value. */
const longestProblem = 1500

async function work({ target: name, seed, from, end, stride, folder, python }: Assignment): Promise<void> {
  const target = targets.find((one) => one.name === name)
  if (target === undefined) throw new Error(`no target ${name}`)
  const files = join(folder, 'files')
  await mkdir(files, { recursive: true })
  // What writes into odd relative paths does it here.
  process.chdir(folder)
  const open = await target.open(files).catch((thrown: unknown) => {
    // Whatever is thrown from here on belongs to a case; a worker that cannot begin must end.
    console.error(stackOf(thrown))
    process.exit(1)
  })
  const judge = open.judged && python !== undefined ? openJudge(python) : undefined
  report({ kind: 'ready' })
  for (let number = from; number < end; number += stride) {
    report({ kind: 'begin', number })
    const started = performance.now()
    const outcome = await runCase(open, judge, name, seed, number)
    report({ kind: 'end', number, outcome, elapsedMs: performance.now() - started })
    // What an abandoned promise throws belongs to this case.
    await new Promise((resolve) => setImmediate(resolve))
  }
  judge?.close()
}

let stray: unknown

async function runCase(
  open: OpenTarget,
  judge: Judge | undefined,
  name: string,
  seed: number,
  number: number,
): Promise<Outcome> {
  const rssBefore = process.memoryUsage.rss()
  const peakBefore = process.resourceUsage().maxRSS
  const outcome = await outcomeOf(open, judge, name, seed, number)
  if (outcome.kind === 'fault') return outcome
  if (stray !== undefined) {
    const thrown = stray
    stray = undefined
    return { kind: 'fault', fault: 'stack trace', detail: `left behind: ${stackOf(thrown)}` }
  }
  const peak = process.resourceUsage().maxRSS
  const growth = peak > peakBefore ? peak * 1024 - rssBefore : 0
  if (growth > allowedGrowthBytes)
    return { kind: 'fault', fault: 'growth', detail: `${Math.round(growth / mebibyte)} MiB` }
  return outcome
}

async function outcomeOf(
  open: OpenTarget,
  judge: Judge | undefined,
  name: string,
  seed: number,
  number: number,
): Promise<Outcome> {
  try {
    const result = await open.run(randomOf(name, seed, number))
    if (open.expected !== undefined && result !== open.expected)
      return { kind: 'fault', fault: 'another result', detail: `${result} instead of ${open.expected}` }
    const refusal = open.judged && (await judge?.refusal(open.judged.path()))
    if (refusal) return { kind: 'fault', fault: 'rejected elsewhere', detail: refusal }
    return { kind: 'accepted' }
  } catch (thrown) {
    if (!(thrown instanceof FettleError))
      return { kind: 'fault', fault: 'stack trace', detail: stackOf(thrown) }
    const odd = thrown.problems.find(({ found }) => typeof found !== 'string')
    if (odd) return { kind: 'fault', fault: 'long message', detail: `${odd.place}: nothing found` }
    const long = thrown.problems.find(
      ({ found, expected = '' }) => found.length + expected.length > longestProblem,
    )
    if (long)
      return { kind: 'fault', fault: 'long message', detail: `${long.place}: ${long.found}`.slice(0, 300) }
    return { kind: 'refused', message: thrown.message }
  }
}

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : `thrown: ${String(thrown)}`

function report(message: Report): void {
  process.send?.(message)
}

process.on('unhandledRejection', (thrown) => {
  stray = thrown
})
process.on('uncaughtException', (thrown) => {
  stray = thrown
})
await work(JSON.parse(process.argv[2]) as Assignment)
process.disconnect?.()
