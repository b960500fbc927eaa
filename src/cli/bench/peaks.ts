import { availableParallelism } from 'node:os'
import type { MachinePeaks } from '../../engine/native/index.ts'
import { nativeAddon, nativeIsas } from '../../engine/native/index.ts'
import { FettleError } from '../../error.ts'

/** The machine's limits for an instruction set. */
export interface PeakReport {
  isa: string
  threads: number
  one: MachinePeaks
  all: MachinePeaks
}

/** Far more than the caches of any processor hold. */
const beyondCaches = 256 * 1024 * 1024

/** Measures the peaks of one thread and of all, with the instruction set that training would use or another one. */
export function measurePeaks(wantedIsa?: string): PeakReport {
  const isa = wantedIsa ?? process.env['FETTLE_ISA'] ?? nativeIsas()[0]
  const threads = availableParallelism()
  const one = peaksOf(isa, 1)
  return { isa, threads, one, all: threads === 1 ? one : peaksOf(isa, threads) }
}

/**
 * Measures the peaks of an instruction set on a number of threads, by default in most of a second.
 *
 * @param readBytes  memory that is read; 0 leaves reading out
 * @param seconds    length of a run of arithmetic; each figure is the best of several
 * @throws FettleError without the native engine
 */
export function peaksOf(
  isa: string,
  threads: number,
  { readBytes = beyondCaches, seconds = 0.02 } = {},
): MachinePeaks {
  return measuringAddon().peaks(isa, threads, readBytes, seconds)
}

/** Bytes that all threads together read a second, measured in 0.1 s: it drifts within seconds on shared machines. */
export function readBandwidth(isa: string, threads: number): number {
  return measuringAddon().readPeak(isa, threads, beyondCaches)
}

function measuringAddon() {
  const addon = nativeAddon()
  if (typeof addon !== 'string') return addon
  throw new FettleError({
    place: 'fettle bench',
    found: addon,
    expected: 'the native engine',
    cure: 'Build it with `fettle build-native`.',
  })
}

/** Operations a second of a compute type; without instructions of its own bfloat16 is computed as float32. */
export function arithmeticPeak(peaks: MachinePeaks, dtype: string): number {
  return dtype === 'bfloat16' && peaks.bfloat16 > 0 ? peaks.bfloat16 : peaks.float32
}
