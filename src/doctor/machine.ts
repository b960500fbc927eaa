import { availableParallelism, totalmem } from 'node:os'
import { createEngine, nativeProblem } from '../engine/index.ts'

/** What the computer can do. */
export interface Machine {
  /** Memory that a process may use. */
  memoryBytes: number
  threads: number
  engine: 'native' | 'reference'
  /** Instruction set of the engine. */
  isa: string
  /** Whether bfloat16 products run at full speed. */
  bfloat16: boolean
}

/** Looks at this computer: its memory (or a container's limit) and what the engine can use. */
export function readMachine(): Machine {
  const limit = process.constrainedMemory?.() ?? 0
  // Without a limit some systems report an absurdly large number, others 0.
  const memoryBytes = limit > 0 && limit < totalmem() ? limit : totalmem()
  if (nativeProblem() !== undefined)
    return {
      memoryBytes,
      threads: availableParallelism(),
      engine: 'reference',
      isa: 'javascript',
      bfloat16: false,
    }
  const { isa, threads } = createEngine({ engine: 'native' })
  return { memoryBytes, threads, engine: 'native', isa, bfloat16: /amx|bf16/.test(isa) }
}
