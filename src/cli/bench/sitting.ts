import { spawn } from 'node:child_process'
import type { EngineName } from '../../engine/index.ts'
import { FettleError } from '../../error.ts'
import type { BenchCase } from './cases.ts'
import type { GenerateFigures } from './generate.ts'
import type { KernelReport } from './kernels.ts'
import type { PeakReport } from './peaks.ts'
import { arithmeticPeak, measurePeaks } from './peaks.ts'
import type { Peer, PeerRun } from './peers.ts'
import { jobOf, peers, runPeer } from './peers.ts'
import { median } from './train.ts'
import type { TrainFigures } from './train.ts'

/** What a case of a whole run prints. */
type Figures = TrainFigures | GenerateFigures

/** One of our measurements, with the machine's limits measured right before and after it (the higher ones). */
export interface Measurement {
  type: 'measurement'
  case: string
  figures: Figures
  /** Of as many threads as it used: operations and bytes a second. The native engine's only. */
  peak?: { arithmetic: number; read: number }
  /** What it reached of the peak that limits it: products of arithmetic, decoding of reading. */
  share?: number
}

/** One run of a peer, with every number that it printed. */
export interface PeerMeasurement extends PeerRun {
  type: 'peer'
  case: string
  peer: string
}

/** The best of each side, since other processes can only make a run slower, and how many times faster and smaller we are. */
export interface Ratio {
  type: 'ratio'
  case: string
  peer: string
  ours: number
  theirs: number
  faster: number
  smaller?: number
}

export type BenchEvent =
  | ({ type: 'peaks' } & PeakReport)
  | ({ type: 'kernels' } & KernelReport)
  | Measurement
  | PeerMeasurement
  | Ratio

export interface SittingOptions {
  model: string
  data: string
  cases: readonly (readonly [string, BenchCase])[]
  engine: EngineName
  /** Folder of the Python peers. */
  peers?: string
  repeat: number
}

/** Measures case after case, each in a process of its own, ours and the peers' alternately. */
export async function* sitting(options: SittingOptions): AsyncGenerator<BenchEvent, void, undefined> {
  const peaksFor = (isa?: string): PeakReport[] => (options.engine === 'native' ? [measurePeaks(isa)] : [])
  for (const report of peaksFor()) yield { type: 'peaks', ...report }
  const done = new Map<string, PeerRun[]>()
  for (const [name, benchCase] of options.cases) {
    const opponents = options.peers === undefined ? [] : peers.filter(({ against }) => against === name)
    const ours: Measurement[] = []
    for (let round = 0; round < options.repeat; round += 1) {
      const isa = benchCase.kind === 'train' ? benchCase.isa : undefined
      const before = peaksFor(isa)
      const figures = await measureCase(name, isa, options)
      if (figures.kind === 'kernels') {
        yield { type: 'kernels', ...figures }
        continue
      }
      const measurement = withShare(name, figures, [...before, ...peaksFor(isa)])
      ours.push(measurement)
      yield measurement
      for (const peer of opponents) {
        const runs = done.get(jobOf(peer)) ?? []
        if (options.peers === undefined || runs.length > (peer.once ? 0 : round)) continue
        const run = await runPeer(peer, options.peers)
        done.set(jobOf(peer), [...runs, run])
        yield { type: 'peer', case: name, peer: peer.name, ...run }
      }
    }
    for (const peer of opponents) yield ratioOf(name, peer, ours, done.get(jobOf(peer)) ?? [])
  }
}

function withShare(name: string, figures: Figures, around: readonly PeakReport[]): Measurement {
  if (around.length === 0) return { type: 'measurement', case: name, figures }
  const limits = around.map((report) => (figures.threads === 1 ? report.one : report.all))
  const peak = {
    arithmetic: Math.max(...limits.map((limit) => arithmeticPeak(limit, figures.dtype))),
    read: Math.max(...limits.map(({ read }) => read)),
  }
  const share = figures.kind === 'generate' ? figures.share_of_reading : figures.flops_per_s / peak.arithmetic
  return { type: 'measurement', case: name, figures, peak, share }
}

function ratioOf(name: string, peer: Peer, ours: readonly Measurement[], theirs: readonly PeerRun[]): Ratio {
  const speed = (figures: Figures) =>
    figures.kind === 'generate' && peer.ours === 'decode_tokens_per_s'
      ? figures.decode_tokens_per_s
      : figures.tokens_per_s
  const our = Math.max(...ours.map(({ figures }) => speed(figures)))
  const their = Math.max(...theirs.map(({ printed }) => printed[peer.figure]))
  const memory = theirs.map(({ printed }) => printed['peak_rss_mib']).filter((mib) => mib !== undefined)
  return {
    type: 'ratio',
    case: name,
    peer: peer.name,
    ours: our,
    theirs: their,
    faster: our / their,
    ...(memory.length > 0 && {
      smaller: median(memory) / median(ours.map(({ figures }) => figures.peak_rss_mib)),
    }),
  }
}

/** Starts `fettle bench --measure NAME` and reads what it prints. */
async function measureCase(
  name: string,
  isa: string | undefined,
  { model, data, engine }: SittingOptions,
): Promise<Figures | KernelReport> {
  const args = ['bench', '--measure', name, '--model', model, '--data', data, '--engine', engine, '--json']
  const child = spawn(process.execPath, [process.argv[1], ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(isa !== undefined && { FETTLE_ISA: isa }) },
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0)
    throw new FettleError(
      {
        place: `fettle bench --measure ${name}`,
        found: `exit code ${String(code)}; what it said stands above`,
      },
      { exitCode: 1 },
    )
  return JSON.parse(printed) as Figures | KernelReport
}
