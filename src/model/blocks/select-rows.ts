import type { Tape } from '../../engine/tape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { present } from './forward-pass.ts'

/** Chosen rows [m, width] of the residual stream or of what comes of it. */
export function selectRows(tape: Tape, x: Tensor, rows: Tensor): Tensor {
  const shape = [rows.shape[0], x.shape[1]]
  return present(tape.apply('selectRows', { x, rows }, {}, { y: { dtype: x.dtype, shape } }).y)
}
