import { availableParallelism } from 'node:os'
import type { MachinePeaks } from '../engine/native/binding.ts'
import { nativeAddon } from '../engine/native/binding.ts'
import { FettleError } from '../error.ts'

/** The machine's limits for an instruction set. */
export interface PeakReport {
  isa: string
  threads: number
  one: MachinePeaks
  all: MachinePeaks
}

/** Far more than the caches of any processor hold. */
const readBytes = 256 * 1024 * 1024

/**
 * Measures the peaks of one thread and of all, with the instruction set that training would use or another one.
 *
 * @throws FettleError without the native engine
 */
export function measurePeaks(wantedIsa?: string): PeakReport {
  const addon = nativeAddon()
  if (typeof addon === 'string')
    throw new FettleError({
      place: 'fettle bench',
      found: addon,
      expected: 'the native engine',
      cure: 'Build it with `fettle build-native`.',
    })
  const isa = wantedIsa ?? process.env['FETTLE_ISA'] ?? addon.isas[0]
  const threads = availableParallelism()
  const one = addon.peaks(isa, 1, readBytes)
  const all = threads === 1 ? one : addon.peaks(isa, threads, readBytes)
  return { isa, threads, one, all }
}

/** Operations a second of a compute type; without instructions of its own bfloat16 is computed as float32. */
export function arithmeticPeak(peaks: MachinePeaks, dtype: string): number {
  return dtype === 'bfloat16' && peaks.bfloat16 > 0 ? peaks.bfloat16 : peaks.float32
}
