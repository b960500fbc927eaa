import type { Matrix } from '../kernel.ts'

/** Places, of one dimension. */
export type Integers = Matrix<Int32Array>

/** body(e, begin, end) for each expert that has rows [begin, end). */
export function eachExpert(
  { data: ends }: Integers,
  body: (expert: number, begin: number, end: number) => void,
): void {
  ends.forEach((end, expert) => {
    const begin = expert === 0 ? 0 : ends[expert - 1]
    if (begin < end) body(expert, begin, end)
  })
}

/** The expert of each row. */
export function expertsOf(ends: Integers, rows: number): Int32Array {
  const experts = new Int32Array(rows)
  eachExpert(ends, (expert, begin, end) => experts.fill(expert, begin, end))
  return experts
}
