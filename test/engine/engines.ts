import type { Engine } from '../../src/engine/engine.ts'
import { createNativeEngine, nativeIsas } from '../../src/engine/native/index.ts'
import { createReferenceEngine } from '../../src/engine/reference/index.ts'

/** Every engine that this machine can run, with a name for the report. */
export const engines: readonly { name: string; create: (threads: number) => Engine }[] = [
  { name: 'reference', create: () => createReferenceEngine() },
  ...nativeIsas().map((isa) => ({
    name: `native ${isa}`,
    create: (threads: number) => createNativeEngine({ isa, threads }),
  })),
]
