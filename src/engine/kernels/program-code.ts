import type { Command } from '../ops.ts'
import { opNames } from '../ops.ts'
import type { WeightForm } from '../quantization.ts'
import type { DType, RowSymbol, Tensor } from '../tensor.ts'

export const dtypeCodes: { readonly [K in DType]: number } = { float32: 0, bfloat16: 1, int32: 2 }
/** native/tensor.h has them after the types of tensors. */
export const formCodes: { readonly [K in WeightForm]: number } = {
  int8: 3,
  nf4: 4,
  fp4: 5,
  bfloat12: 6,
  blocks: 7,
}
/** All of them, by code. */
export const typeNames: readonly string[] = [...Object.keys(dtypeCodes), ...Object.keys(formCodes)]

/** A program as the numbers that native/program_code.cc decodes, and each tensor's index in it. */
export interface EncodedProgram {
  code: Float64Array
  indices: Map<number, number>
  /** What rows are counted in, in the order of their numbers in the code. */
  symbols: RowSymbol[]
}

/**
 * Layout: number of tensors; for each: 1 when transient, arena offset or handle, dtype, rank, four sizes, number of the
 * symbol that its rows are counted in (−1: none) and rows for each; number of commands, and how many of them run first; for
 * each: opcode, 1 for a vjp, number of inputs, their tensor indices (−1: absent), number of outputs, index and accumulate
 * flag of each, number of attributes, the attributes.
 */
export function encodeProgram(
  commands: readonly Command[],
  first: number,
  placeOf: (tensor: Tensor) => number,
): EncodedProgram {
  const indices = new Map<number, number>()
  const tensors: number[] = []
  const symbols: RowSymbol[] = []
  const code: number[] = [commands.length, first]
  const indexOf = (tensor: Tensor | null): number => {
    if (!tensor) return -1
    let index = indices.get(tensor.id)
    if (index === undefined) {
      index = indices.size
      indices.set(tensor.id, index)
      const [a = 0, b = 0, c = 0, d = 0] = tensor.shape
      const transient = tensor.kind === 'transient' ? 1 : 0
      tensors.push(transient, placeOf(tensor), dtypeCodes[tensor.dtype], tensor.shape.length, a, b, c, d)
      const { rows } = tensor
      if (rows && !symbols.includes(rows.symbol)) symbols.push(rows.symbol)
      tensors.push(rows ? symbols.indexOf(rows.symbol) : -1, rows?.factor ?? 1)
    }
    return index
  }
  for (const { op, direction, inputs, outputs, accumulate, attributes } of commands) {
    code.push(opNames.indexOf(op), direction === 'vjp' ? 1 : 0, inputs.length, ...inputs.map(indexOf))
    code.push(outputs.length)
    outputs.forEach((tensor, i) => code.push(indexOf(tensor), accumulate?.[i] === true ? 1 : 0))
    code.push(attributes.length, ...attributes)
  }
  return { code: Float64Array.from([indices.size, ...tensors, ...code]), indices, symbols }
}
