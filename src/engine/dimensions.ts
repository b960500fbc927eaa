import type { OpName } from './ops.ts'
import { infoOf } from './ops.ts'
import type { Rows, Tensor } from './tensor.ts'

/** The size that a dimension's expression in the op table has, from the sizes of its names. */
export function sizeOf(expression: string, sizes: Readonly<Record<string, number>>): number {
  return termsOf(expression).reduce(
    (sum, { factor, names }) => sum + names.reduce((product, name) => product * sizes[name], factor),
    0,
  )
}

/**
 * What the rows of an op's outputs are counted in, by the output's name, as it follows from the first dimensions that the table
 * gives its inputs and outputs: those of the same name have the same rows, and '2 * M' has twice the rows of M.
 *
 * @param inputs      in the table's order
 * @param attributes  by name
 * @throws Error where inputs differ in rows that the table says are the same
 */
export function rowsOfOutputs(
  op: OpName,
  inputs: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, unknown>>,
): Record<string, Rows | null> {
  const { inputs: described, inputNames, outputs, outputNames } = infoOf(op)
  const known = new Map<string, { rows: Rows | null; of: string }>()
  inputNames.forEach((input, i) => {
    const dimension = described[input].shape?.[0]
    const tensor = inputs[i]
    if (dimension === undefined || tensor === null) return
    const other = known.get(dimension)
    if (other && !isSame(other.rows, tensor.rows))
      throw new Error(
        `${op}: ${input} has ${rowsText(tensor.rows)} rows, ${other.of} ${rowsText(other.rows)}; expected the same`,
      )
    known.set(dimension, { rows: tensor.rows, of: input })
  })
  const rowsOf = (output: string): Rows | null => {
    const [term, ...others] = termsOf(outputs[output].shape?.[0] ?? '')
    const counted = term.names.flatMap((name) => known.get(name)?.rows ?? [])
    if (others.length > 0 || counted.length !== 1) return null
    const rest = term.names.filter((name) => !known.get(name)?.rows)
    const factor = rest.reduce((product, name) => product * Number(attributes[name]), term.factor)
    return { symbol: counted[0].symbol, factor: factor * counted[0].factor }
  }
  return Object.fromEntries(outputNames.map((output) => [output, rowsOf(output)]))
}

/** '2 * heads * headDim + 1' as products of a number and names. */
function termsOf(expression: string): { factor: number; names: string[] }[] {
  return expression.split('+').map((product) => {
    let factor = 1
    const names: string[] = []
    for (const [, operator, part] of product.matchAll(/([*/]?)\s*(\w+)/g)) {
      if (!/^\d/.test(part)) names.push(part)
      else if (operator === '/') factor /= Number(part)
      else factor *= Number(part)
    }
    return { factor, names }
  })
}

function isSame(a: Rows | null, b: Rows | null): boolean {
  return a?.symbol === b?.symbol && a?.factor === b?.factor
}

function rowsText(rows: Rows | null): string {
  return rows === null
    ? 'a fixed number of'
    : rows.factor === 1
      ? rows.symbol
      : `${rows.factor} × ${rows.symbol}`
}
