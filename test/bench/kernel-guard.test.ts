import { describe, expect, it } from 'vitest'
import { arithmeticPeak, peaksOf } from '../../src/cli/bench/peaks.ts'
import { Workshop } from '../../src/cli/bench/workshop.ts'
import { createNativeEngine, nativeIsas } from '../../src/engine/native/index.ts'
import { guardedKernels } from './guarded-kernels.ts'

// A kernel and the processor's peak are measured by turns in one process, on one thread, in slices shorter than a
// scheduler's: whatever else runs here can only make a slice slower, and the best of each counts. So a share does not depend
// on load, and what falls below its floor is tried again for many seconds before it counts as slower.
const sliceSeconds = 0.0005
const kernelRuns = 8
const enoughRounds = 5
const patienceMs = 30_000

it.each(guardedKernels)('$name: figures are shares of the peak', ({ reached }) => {
  for (const share of Object.values(reached)) {
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(1)
  }
})

const measuredOn = (isa: string) => guardedKernels.filter(({ reached }) => isa in reached)

// Nobody has measured AMX or ARM.
describe.each(nativeIsas().filter((isa) => measuredOn(isa).length > 0))('%s', (isa) => {
  const engine = createNativeEngine({ isa, threads: 1 })
  const measured = measuredOn(isa)
  it.each(measured)('$name', { timeout: 2 * patienceMs }, async (kernel) => {
    const workshop = new Workshop(engine)
    const program = engine.compile([kernel.prepare(workshop, engine)], [])
    const floor = kernel.atLeast * (kernel.reached[isa] ?? 0)
    const begun = performance.now()
    let [peak, seconds, share] = [0, Infinity, 0]
    for (let round = 1; round <= enoughRounds || share < floor || share > 1; round += 1) {
      const peaks = peaksOf(isa, 1, { readBytes: 0, seconds: sliceSeconds })
      peak = Math.max(peak, arithmeticPeak(peaks, kernel.peak))
      for (let i = 0; i < kernelRuns; i += 1) {
        engine.profile()
        await engine.run(program)
        for (const ms of engine.profile().values()) seconds = Math.min(seconds, ms / 1000)
      }
      share = kernel.operations / seconds / peak
      if (performance.now() - begun > patienceMs) break
    }
    workshop.free()
    expect(share, 'of the peak').toBeGreaterThanOrEqual(floor)
    expect(share, 'of the peak').toBeLessThanOrEqual(1)
  })
})
