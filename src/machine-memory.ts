import { totalmem } from 'node:os'

/** Bytes of memory that this process may use: the machine's, or fewer where a container has a limit. */
export function machineMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0
  // Without a limit some systems report an absurdly large number, others 0.
  return limit > 0 && limit < totalmem() ? limit : totalmem()
}
