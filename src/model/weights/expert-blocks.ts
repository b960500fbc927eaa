import { readWeight } from '../../engine/index.ts'
import type { WeightForm } from '../../engine/quantization.ts'
import type { WeightPart } from '../../engine/tensor.ts'
import { rowCount, type Parameter } from './parameters.ts'
import { rowsOfPart } from './part-rows.ts'

/** Rows that lie side by side in a quantised matrix; see native/quantised.h. */
const groupRows = 16

/**
 * The blocks in which an engine holds a stack of experts' matrices: what is quantised together belongs to one expert, so that an
 * expert can be read by itself. A file may have all of them in one tensor, or gate and up of each in two.
 *
 * @param stored  as the store gives the parameter's parts
 */
export async function expertBlocks(
  parameter: Parameter,
  stored: readonly WeightPart[],
  form: WeightForm | null,
): Promise<readonly WeightPart[]> {
  const { experts, columns } = parameter
  if (experts === undefined || form === null || form === 'blocks') return stored
  const { count } = experts
  const rows = rowCount(parameter) / count
  if (stored.length < count) return stored.flatMap((part) => split(part, rows, columns))
  const perExpert = stored.length / count
  if (stored.every((part) => part.rows % groupRows === 0)) return stored
  const joined: WeightPart[] = []
  for (let i = 0; i < stored.length; i += perExpert)
    joined.push({ data: await readWeight(columns, stored.slice(i, i + perExpert)), dtype: 'F32', rows })
  return joined
}

/** A part as parts of so many rows. */
function split(part: WeightPart, rows: number, columns: number): WeightPart[] {
  return Array.from({ length: part.rows / rows }, (_, i) => rowsOfPart(part, columns, i * rows, rows))
}
