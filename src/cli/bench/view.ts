import type { KernelReport } from './kernels.ts'
import type { PeakReport } from './peaks.ts'
import type { Measurement, PeerMeasurement, Ratio } from './sitting.ts'
import type { OpFigures } from './train.ts'
import { count, percent } from '../terminal/numbers.ts'
import { plural } from '../../plural.ts'

/** Lines of columns, the first aligned to the left and the others to the right. */
export function alignedTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)))
  return all.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  )
}

const giga = (value: number): string => (value === 0 ? '–' : count(value / 1e9))

/** The machine's limits. */
export function peakLines({ isa, threads, one, all }: PeakReport): string[] {
  const row = (name: string, peaks: PeakReport['one']) => [
    name,
    giga(peaks.float32),
    giga(peaks.bfloat16),
    giga(peaks.int8),
    (peaks.read / 1e9).toFixed(1),
  ]
  return alignedTable(
    [`peaks (${isa})`, 'float32 GFLOPS', 'bfloat16 GFLOPS', 'int8 GOPS', 'reads GB/s'],
    [row('1 thread', one), ...(threads === 1 ? [] : [row(plural(threads, 'thread'), all)])],
  )
}

/** The kernels of a sitting against their peaks; where bytes are the limit, more than 100% means that a cache held them. */
export function kernelLines({ kernels, isa, threads, dtype, load }: KernelReport): string[] {
  return alignedTable(
    [
      `kernels (${dtype}, ${isa}, ${plural(threads, 'thread')}, load ${load.toFixed(1)})`,
      'weights',
      'tokens',
      'ms',
      'reached',
      'of peak',
    ],
    kernels.map(({ kernel, weights, tokens, ms, limit, per_s: speed, share }) => [
      kernel,
      weights ?? '',
      count(tokens),
      ms.toFixed(3),
      limit === 'arithmetic' ? `${giga(speed)} GFLOPS` : `${(speed / 1e9).toFixed(1)} GB/s`,
      share === undefined ? '' : percent(share),
    ]),
  )
}

/** A measurement in one line. */
export function measurementLine({ case: name, figures, share, peak }: Measurement, summary: string): string {
  const { isa, threads, dtype, peak_rss_mib: memory, load } = figures
  const ofPeak =
    share === undefined || peak === undefined ? '' : ` · ${percent(share)} of ${giga(peak.arithmetic)} GFLOPS`
  const ofReading = share === undefined ? '' : ` · ${percent(share)} of reading the weights once a token`
  const speed =
    figures.kind === 'train'
      ? `${count(figures.tokens_per_s)} tokens/s · ${count(figures.step_ms)} ms a step${ofPeak}`
      : figures.kind === 'generate'
        ? `${count(figures.tokens_per_s)} tokens/s (${count(figures.decode_tokens_per_s)} after the prompt)${ofReading}`
        : `${count(figures.tokens_per_s)} tokens/s${ofPeak}`
  const start = figures.kind === 'train' ? ` · first step begun after ${figures.start_s.toFixed(2)} s` : ''
  return `${name.padEnd(11)} ${summary} (${dtype}, ${isa}, ${plural(threads, 'thread')}): ${speed} · ${count(memory)} MiB${start} · load ${load.toFixed(1)}`
}

/** A peer's run in one line. */
export function peerLine({ peer, case: name, printed, load }: PeerMeasurement): string {
  const {
    tokens_per_s: speed,
    prompt_tokens_per_s: prompt,
    peak_rss_mib: memory,
    first_step_s: first,
  } = printed
  const parts = [
    `${count(speed)} tokens/s`,
    ...(prompt === undefined ? [] : [`prompt ${count(prompt)} tokens/s`]),
    ...(memory === undefined ? [] : [`${count(memory)} MiB`]),
    ...(first === undefined ? [] : [`first step ended after ${first.toFixed(1)} s`]),
    `load ${load.toFixed(1)}`,
  ]
  return `${name.padEnd(11)}   ${peer}: ${parts.join(' · ')}`
}

/** All pairs of a sitting. */
export function ratioLines(ratios: readonly Ratio[]): string[] {
  return alignedTable(
    ['against', 'case', 'fettle tokens/s', 'peer tokens/s', 'times faster', 'times smaller'],
    ratios.map(({ peer, case: name, ours, theirs, faster, smaller }) => [
      peer,
      name,
      count(ours),
      count(theirs),
      faster.toFixed(2),
      smaller === undefined ? '' : smaller.toFixed(2),
    ]),
  )
}

/**
 * The roofline of a step: for each op what it must compute and move, how long that takes at the peaks (the longer of the
 * two), and how long it takes.
 */
export function rooflineLines(
  ops: readonly OpFigures[],
  stepMs: number,
  { arithmetic, read }: NonNullable<Measurement['peak']>,
): string[] {
  const atPeak = ({ flops, bytes }: Pick<OpFigures, 'flops' | 'bytes'>) =>
    Math.max(flops / arithmetic, bytes / read) * 1000
  const computed = ops.reduce((sum, { ms }) => sum + ms, 0)
  const rest: OpFigures = { op: 'between ops', ms: stepMs - computed, flops: 0, bytes: 0 }
  const sorted = [...ops.toSorted((a, b) => b.ms - a.ms), rest]
  const ideal = ops.reduce((sum, op) => sum + atPeak(op), 0)
  const row = (name: string, { ms, flops, bytes }: Omit<OpFigures, 'op'>, least: number) => [
    name,
    flops === 0 ? '–' : (flops / 1e9).toFixed(1),
    bytes === 0 ? '–' : count(bytes / 1e6),
    least.toFixed(1),
    ms.toFixed(1),
    percent(ms / stepMs),
    ms > 0 && least > 0 ? percent(least / ms) : '–',
  ]
  const total = {
    ms: stepMs,
    flops: ops.reduce((sum, { flops }) => sum + flops, 0),
    bytes: ops.reduce((sum, { bytes }) => sum + bytes, 0),
  }
  return alignedTable(
    ['part of a step', 'GFLOP', 'MB', 'ms at peak', 'ms', 'of the step', 'of peak'],
    [...sorted.map((op) => row(op.op, op, atPeak(op))), row('step', total, ideal)],
  )
}
