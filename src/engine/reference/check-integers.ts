import { sizeOf } from '../dimensions.ts'
import type { Argument, OpInfo } from '../op-entry.ts'

/** An argument of a command with its values; null: absent. */
export type BoundArgument = readonly [
  name: string,
  described: Argument,
  matrix: { readonly data: Float32Array | Int32Array; readonly shape: readonly number[] } | null,
]

/**
 * Integers that are places in a dimension lie in it: what the table says as `from` and `below`.
 *
 * @param bound       inputs, outputs and gradients, which have the shapes of what they belong to
 * @param attributes  by name; counts are sizes, too
 * @throws RangeError in the words of native/runner.cc
 */
export function checkIntegers(
  op: string,
  { inputs }: OpInfo,
  bound: readonly BoundArgument[],
  attributes: Readonly<Record<string, unknown>>,
): void {
  const sizes: Record<string, number> = {}
  for (const [name, value] of Object.entries(attributes)) if (typeof value === 'number') sizes[name] = value
  for (const [, { shape }, matrix] of bound)
    shape?.forEach((size, dimension) => {
      if (matrix && /^[A-Za-z]\w*$/.test(size)) sizes[size] = matrix.shape[dimension]
    })
  for (const [name, { below, from = 0 }, matrix] of bound) {
    if (below === undefined || matrix === null || inputs[name]?.type !== 'int32') continue
    const end = sizeOf(below, sizes)
    const wrong = matrix.data.findIndex((value) => value < from || value >= end)
    if (wrong >= 0)
      throw new RangeError(
        `${op}: ${name}[${wrong}] is ${matrix.data[wrong]}; expected ${from} to ${end - 1}`,
      )
  }
}
