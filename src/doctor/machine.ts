import { createEngine } from '../engine/index.ts'
import { machineMemory } from '../machine-memory.ts'

/** What the computer can do. */
export interface Machine {
  /** Memory that a process may use. */
  memoryBytes: number
  /** The engine that runs here unless another one is asked for. */
  engine: string
  /** Instruction set of the engine. */
  isa: string
  /** Whether bfloat16 products run at full speed. */
  bfloat16: boolean
}

/** Looks at this computer: its memory (or a container's limit) and what the engine can use. */
export async function readMachine(): Promise<Machine> {
  const engine = await createEngine()
  const { name, isa } = engine
  engine.close()
  return { memoryBytes: machineMemory(), engine: name, isa, bfloat16: /amx|bf16/.test(isa) }
}
