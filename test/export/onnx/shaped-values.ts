import type { Value } from './read-onnx.ts'

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export const floats = (shape: number[], data: Float32Array = new Float32Array(sizeOf(shape))): Value => ({
  shape,
  data,
})
export const whole = (shape: number[], numbers: Iterable<number>): Value => ({
  shape,
  data: Float64Array.from(numbers),
})

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeOf(shape.slice(i + 1)))
}

/** Calls `visit` with every index of a shape, in order. */
export function eachIndex(
  shape: readonly number[],
  visit: (index: readonly number[], at: number) => void,
): void {
  const index = shape.map(() => 0)
  const count = sizeOf(shape)
  for (let at = 0; at < count; at += 1) {
    visit(index, at)
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis] += 1
      if (index[axis] < shape[axis]) break
      index[axis] = 0
    }
  }
}

export function offsetOf(shape: readonly number[], index: readonly number[]): number {
  return stridesOf(shape).reduce((sum, stride, axis) => sum + stride * index[axis], 0)
}

/** A value made element by element, of the kind of `like`. */
export function made(shape: number[], like: Value, at: (index: readonly number[]) => number): Value {
  const data =
    like.data instanceof Float32Array ? new Float32Array(sizeOf(shape)) : new Float64Array(sizeOf(shape))
  eachIndex(shape, (index, place) => (data[place] = at(index)))
  return { shape, data }
}

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length))
  return Array.from({ length: rank }, (_, axis) =>
    shapes.reduce((size, shape) => {
      const own = shape[axis - (rank - shape.length)] ?? 1
      return own === 1 ? size : own
    }, 1),
  )
}

/** The element that broadcasting has at an index. */
export function element({ shape, data }: Value, index: readonly number[]): number {
  const own = index.slice(index.length - shape.length).map((i, axis) => (shape[axis] === 1 ? 0 : i))
  return data[offsetOf(shape, own)]
}

/** f of values, element by element. */
export function mapped(values: readonly Value[], like: Value, f: (...numbers: number[]) => number): Value {
  const shape = broadcastShape(values.map((value) => value.shape))
  const isPlain = values.every((value) => value.data.length === 1 || value.shape.join() === shape.join())
  if (isPlain) {
    const size = sizeOf(shape)
    const data = like.data instanceof Float32Array ? new Float32Array(size) : new Float64Array(size)
    for (let i = 0; i < size; i += 1)
      data[i] = f(...values.map((value) => value.data[value.data.length === 1 ? 0 : i]))
    return { shape, data }
  }
  return made(shape, like, (index) => f(...values.map((value) => element(value, index))))
}

export function axisOf(axis: unknown, rank: number): number {
  return Number(axis) < 0 ? Number(axis) + rank : Number(axis)
}

export function transposed(value: Value, perm: readonly number[]): Value {
  return made(
    perm.map((axis) => value.shape[axis]),
    value,
    (index) => {
      const own: number[] = []
      perm.forEach((axis, i) => (own[axis] = index[i]))
      return value.data[offsetOf(value.shape, own)]
    },
  )
}

export function sliced(value: Value, axis: number, start: number, end: number): Value {
  const shape = value.shape.map((size, i) => (i === axis ? end - start : size))
  return made(
    shape,
    value,
    (index) =>
      value.data[
        offsetOf(
          value.shape,
          index.map((i, at) => (at === axis ? i + start : i)),
        )
      ],
  )
}

export function concatenated(values: readonly Value[], axis: number): Value {
  const shape = [...values[0].shape]
  shape[axis] = values.reduce((sum, value) => sum + value.shape[axis], 0)
  return made(shape, values[0], (index) => {
    let at = index[axis]
    for (const value of values) {
      if (at < value.shape[axis]) return value.data[offsetOf(value.shape, index.with(axis, at))]
      at -= value.shape[axis]
    }
    throw new Error('outside')
  })
}

/** x [m, k] · weightᵀ [n, k] */
export function linear(x: Value, weight: Value): Value {
  const [m, k] = x.shape
  const [n] = weight.shape
  const out = floats([m, n])
  for (let row = 0; row < m; row += 1)
    for (let column = 0; column < n; column += 1) {
      let sum = 0
      for (let i = 0; i < k; i += 1) sum += x.data[row * k + i] * weight.data[column * k + i]
      out.data[row * n + column] = sum
    }
  return out
}

/** [..., m, k] × [..., k, n] with broadcast stacks. */
export function product(a: Value, b: Value): Value {
  const [m, k] = a.shape.slice(-2)
  const n = b.shape[b.shape.length - 1]
  const stack = broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2)])
  const out = floats([...stack, m, n])
  const start = ({ shape }: Value, index: readonly number[]) => {
    const outer = shape.slice(0, -2)
    const own = index.slice(index.length - outer.length).map((i, axis) => (outer[axis] === 1 ? 0 : i))
    return offsetOf(outer, own) * sizeOf(shape.slice(-2))
  }
  eachIndex(stack, (index, place) => {
    const [left, right] = [start(a, index), start(b, index)]
    for (let row = 0; row < m; row += 1)
      for (let column = 0; column < n; column += 1) {
        let sum = 0
        for (let i = 0; i < k; i += 1) sum += a.data[left + row * k + i] * b.data[right + i * n + column]
        out.data[(place * m + row) * n + column] = sum
      }
  })
  return out
}
