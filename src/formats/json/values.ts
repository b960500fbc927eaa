/*
 * What JSON tells apart and JavaScript's numbers and objects do not. An ordinary value stays as JSON.parse makes it;
 * what would lose something is a bigint (an integer beyond 2^53), a JsonFloat (1.0, 1e16) or has its keys' order beside it.
 */

/** A float that JavaScript would print as an integer: 1.0, 1e16, -0.0. Other floats are plain numbers. */
export class JsonFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }

  valueOf(): number {
    return this.value
  }

  toJSON(): number {
    return this.value
  }

  /** As Python's JSON writes it: `1.0`, `-0.0`, `1e+16`. */
  toString(): string {
    const { value } = this
    if (Number.isInteger(value) && Math.abs(value) < 1e16) return `${Object.is(value, -0) ? '-0' : value}.0`
    return value.toExponential()
  }
}

/** Holds the keys of an object in their order, where some look like numbers: JavaScript lists those first. */
export const keyOrder: unique symbol = Symbol('key order')

interface Ordered {
  [keyOrder]?: readonly string[]
}

/** The keys of an object in the order of its text; a copy made by spreading keeps that order. */
export function keysOf(value: object): readonly string[] {
  const order = (value as Ordered)[keyOrder]
  if (order === undefined) return Object.keys(value)
  const left = new Set(Object.keys(value))
  return [...order.filter((key) => left.delete(key)), ...left]
}

/** The number that a value is, an int or a float; undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  if (value instanceof JsonFloat) return value.value
  return typeof value === 'number' ? value : undefined
}
