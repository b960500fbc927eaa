import { availableParallelism, cpus, totalmem } from 'node:os'
import { chooseEngine, engineNames, engineProblem } from '../engine/index.ts'
import type { EngineName } from '../engine/index.ts'
import { changedSince, findNative, hashOf, machineName, processorLimit } from '../engine/native/index.ts'
import type { LoadedAddon } from '../engine/native/index.ts'
import { machineMemory } from '../machine-memory.ts'

/** Which engine runs on this computer, and all that decides it. */
export interface MachineReport {
  engine: { name: string; isa: string; threads: number; why: string }
  /** Every engine, the preferred one first, with the reason where it cannot run here. */
  engines: { name: EngineName; problem?: string }[]
  /** The file of the native engine, or why there is none and how there would be one. */
  addon:
    | {
        path: string
        from: string
        version: string | null
        sha256: string
        /** The file of native/ that changed after it was built from that folder; null where none did, and of packages. */
        builtBefore: string | null
        instructionSets: string[]
        others: string[]
      }
    | { problem: string; cure: string }
  processor: { model: string; count: number; usable: number }
  limits: {
    /** Processors whose time the control groups of this process give it; null: all. */
    processors: number | null
    /** Of the control group; null: none. */
    memoryBytes: number | null
    /** What FETTLE_THREADS and FETTLE_ISA say. */
    threads: string | null
    isa: string | null
  }
  memoryBytes: number
  /** `linux-x64-gnu`. */
  machine: string
  runtime: string
}

/**
 * Looks at this computer, its engines and their limits.
 *
 * @param wanted  an engine that was asked for by name
 * @throws FettleError where that one cannot run here
 */
export async function reportMachine(
  wanted: { engine?: EngineName; threads?: number } = {},
): Promise<MachineReport> {
  const engines = await Promise.all(
    engineNames.map(async (name) => {
      const problem = await engineProblem(name)
      return problem === undefined ? { name } : { name, problem }
    }),
  )
  const { engine } = await chooseEngine(wanted)
  const { name, isa, threads } = engine
  engine.close()
  const native = findNative()
  return {
    engine: { name, isa, threads, why: whyOf(name, wanted.engine) },
    engines,
    addon: 'addon' in native ? addonReport(native) : native,
    processor: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      count: cpus().length,
      usable: availableParallelism(),
    },
    limits: {
      processors: processorLimit() ?? null,
      memoryBytes: machineMemory() < totalmem() ? machineMemory() : null,
      threads: process.env['FETTLE_THREADS'] ?? null,
      isa: process.env['FETTLE_ISA'] ?? null,
    },
    memoryBytes: totalmem(),
    machine: machineName(),
    runtime: runtimeName(),
  }
}

function whyOf(name: string, wanted: EngineName | undefined): string {
  if (wanted !== undefined) return 'asked for'
  return name === engineNames[0] ? 'the first choice, and it runs here' : 'no better one runs here'
}

function addonReport(found: LoadedAddon) {
  const { path, package: from, addon } = found
  return {
    path,
    from: from?.name ?? 'built here',
    version: from?.version ?? null,
    sha256: hashOf(path),
    builtBefore: changedSince(found) ?? null,
    instructionSets: addon.isas,
    others: (addon.builtIsas ?? []).filter((isa) => !addon.isas.includes(isa)),
  }
}

/** `Node 24.1.0`, or what else runs this. */
function runtimeName(): string {
  const { bun, deno, node } = process.versions
  if (bun !== undefined) return `Bun ${bun}`
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`
}
