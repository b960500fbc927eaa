import { createHash } from 'node:crypto'
import { ops } from '../ops.ts'

/**
 * What the table says of names, order, types, shapes and what may be absent, as 16 digits: native/ops.h has them, and an addon
 * with others was built from another table.
 */
export function tableHash(): string {
  return createHash('sha256').update(JSON.stringify(ops)).digest('hex').slice(0, 16)
}
