import { Fault } from '../fault.ts'
import { asInteger } from './numbers.ts'
import { bare, type Value } from './values.ts'

/** A slice's bounds before they meet a sequence. */
export class Slice {
  readonly start: Value
  readonly stop: Value
  readonly step: Value
  constructor(start: Value, stop: Value, step: Value) {
    this.start = start
    this.stop = stop
    this.step = step
  }
}

/** Python's slice.indices: where a slice of a sequence of `length` starts, and how it steps. */
export function indicesOf(
  { start, stop, step }: Slice,
  length: number,
): { start: number; stop: number; step: number } {
  const read = (bound: Value): number | undefined => {
    if (bare(bound) === null) return undefined
    const integer = asInteger(bound)
    if (integer === undefined) {
      throw new Fault('TypeError', 'slice indices must be integers or None or have an __index__ method')
    }
    return Number(integer)
  }
  const stride = read(step) ?? 1
  if (stride === 0) throw new Fault('ValueError', 'slice step cannot be zero')
  const low = stride > 0 ? 0 : -1
  const high = stride > 0 ? length : length - 1
  const clamp = (index: number | undefined, otherwise: number): number => {
    if (index === undefined) return otherwise
    return Math.min(high, Math.max(low, index < 0 ? index + length : index))
  }
  return stride > 0
    ? { start: clamp(read(start), 0), stop: clamp(read(stop), length), step: stride }
    : { start: clamp(read(start), length - 1), stop: clamp(read(stop), -1), step: stride }
}

/** Where a slice begins that leaves out first items and nothing else. */
export function startOf({ start, stop, step }: Slice): number | undefined {
  const integer = asInteger(start)
  return typeof integer === 'number' && integer >= 0 && bare(stop) === null && bare(step) === null
    ? integer
    : undefined
}

/** The items of a slice. */
export function pick<T>(items: readonly T[], bounds: Slice): T[] {
  const { start, stop, step } = indicesOf(bounds, items.length)
  if (step === 1) return items.slice(start, Math.max(start, stop))
  const picked: T[] = []
  for (let index = start; step > 0 ? index < stop : index > stop; index += step) {
    const item = items[index]
    if (item !== undefined) picked.push(item)
  }
  return picked
}
