import type { ReadGraph, ReadNode, Value } from './read-onnx.ts'
import { attend, dequantized, rotated } from './contributed-operators.ts'
import {
  axisOf,
  concatenated,
  element,
  floats,
  linear,
  made,
  mapped,
  offsetOf,
  product,
  sizeOf,
  sliced,
  transposed,
  whole,
} from './shaped-values.ts'

/**
 * A small runtime for the graphs that fettle writes, after the definitions of ONNX and of onnxruntime's operators, for tests without
 * onnxruntime, which has hundreds of MB. bench/run.sh onnx-check runs the same graphs in onnxruntime itself.
 */
export function runOnnx(
  graph: ReadGraph,
  feeds: Readonly<Record<string, Value>>,
  outer?: ReadonlyMap<string, Value>,
): Map<string, Value> {
  const values = new Map<string, Value>([...(outer ?? []), ...graph.initializers, ...Object.entries(feeds)])
  for (const node of graph.nodes) {
    const operator = operators[node.type]
    if (!operator) throw new Error(`operator ${node.type}`)
    const inputs = node.inputs.map((name) => {
      const value = name === '' ? undefined : values.get(name)
      if (name !== '' && !value) throw new Error(`${node.type}: no value ${name}`)
      return value as Value
    })
    operator(node, inputs, values).forEach((value, i) => values.set(node.outputs[i], value))
  }
  return new Map(graph.outputs.map(({ name }) => [name, values.get(name) as Value]))
}

type Operator = (node: ReadNode, inputs: Value[], values: ReadonlyMap<string, Value>) => Value[]

const unary =
  (f: (x: number) => number): Operator =>
  (_, [x]) => [{ shape: x.shape, data: x.data.map(f) }]
const binary =
  (f: (a: number, b: number) => number): Operator =>
  (_, [a, b]) => [mapped([a, b], a, f)]
const test =
  (f: (a: number, b: number) => boolean): Operator =>
  (_, [a, b]) => [mapped([a, b], whole([], []), (x, y) => Number(f(x, y)))]

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const isInteger = ({ data }: Value) => data instanceof Float64Array
const list = (value: Value): number[] => [...value.data]

/** Abramowitz and Stegun 7.1.26 is too coarse: the series of erf. */
function erf(x: number): number {
  let [term, sum] = [x, x]
  for (let n = 1; n < 60; n += 1) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return Math.abs(x) > 5 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * sum
}

/** Rows of the last axis, each given to `f`. */
function byRow(x: Value, f: (row: Float32Array | Float64Array) => ArrayLike<number>): Value {
  const width = x.shape[x.shape.length - 1]
  const out = floats(x.shape)
  for (let start = 0; start < x.data.length; start += width)
    out.data.set(f(x.data.subarray(start, start + width)), start)
  return out
}

const mean = (row: ArrayLike<number>, f: (x: number) => number) =>
  Array.from(row).reduce((sum, x) => sum + f(x), 0) / row.length

function reshaped({ shape, data }: Value, wanted: number[]): Value {
  const sizes = wanted.map((size, i) => (size === 0 ? shape[i] : size))
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1)
  const result = sizes.map((size) => (size === -1 ? data.length / known : size))
  if (sizeOf(result) !== data.length) throw new Error(`Reshape of [${shape.join()}] to [${result.join()}]`)
  return { shape: result, data }
}

function gathered(table: Value, ids: Value): Value {
  const inner = table.shape.slice(1)
  const size = sizeOf(inner)
  return made([...ids.shape, ...inner], table, (index) => {
    const id = element(ids, index.slice(0, ids.shape.length))
    if (id >= table.shape[0]) throw new Error(`Gather: ${id} of ${table.shape[0]}`)
    return table.data[id * size + offsetOf(inner, index.slice(ids.shape.length))]
  })
}

function reduced(x: Value, axis: number, keep: boolean, f: (numbers: number[]) => number): Value {
  const shape = x.shape.map((size, i) => (i === axis ? 1 : size))
  const value = made(shape, x, (index) =>
    f(Array.from({ length: x.shape[axis] }, (_, i) => x.data[offsetOf(x.shape, index.with(axis, i))])),
  )
  return keep ? value : { shape: shape.filter((_, i) => i !== axis), data: value.data }
}

function scan({ attributes }: ReadNode, inputs: Value[], values: ReadonlyMap<string, Value>): Value[] {
  const body = attributes['body'] as ReadGraph
  let [state, ...series] = inputs
  const recalled: Value[] = []
  for (let i = 0; i < series[0].shape[0]; i += 1) {
    const slices = series.map((x) => ({ ...sliced(x, 0, i, i + 1), shape: x.shape.slice(1) }))
    const feeds = Object.fromEntries(body.inputs.map(({ name }, at) => [name, [state, ...slices][at]]))
    const [after, output] = runOnnx(body, feeds, values).values()
    state = after
    recalled.push({ ...output, shape: [1, ...output.shape] })
  }
  return [state, concatenated(recalled, 0)]
}

/** The places of a matrix's rows that are the largest, the first of equals. */
function topK(x: Value, k: number): Value[] {
  const width = x.shape[x.shape.length - 1]
  const shape = [...x.shape.slice(0, -1), k]
  const chosen = Array.from({ length: x.data.length / width }, (_, row) => {
    const values = [...x.data.subarray(row * width, (row + 1) * width)]
    return values
      .map((value, place) => ({ value, place }))
      .toSorted((a, b) => b.value - a.value || a.place - b.place)
      .slice(0, k)
  }).flat()
  return [
    floats(
      shape,
      Float32Array.from(chosen, ({ value }) => value),
    ),
    whole(
      shape,
      chosen.map(({ place }) => place),
    ),
  ]
}

function loop(
  { attributes }: ReadNode,
  [turns, , ...given]: Value[],
  values: ReadonlyMap<string, Value>,
): Value[] {
  const body = attributes['body'] as ReadGraph
  let state = given
  for (let turn = 0; turn < turns.data[0]; turn += 1) {
    const all = [whole([], [turn]), whole([], [1]), ...state]
    const feeds = Object.fromEntries(body.inputs.map(({ name }, i) => [name, all[i]]))
    state = [...runOnnx(body, feeds, values).values()].slice(1)
  }
  return state
}

/** Offsets of the rows that a list of indices [n, depth] names. */
function placesOf(shape: readonly number[], indices: Value): { places: number[]; size: number } {
  const [count, depth] = indices.shape
  const size = sizeOf(shape.slice(depth))
  const places = Array.from(
    { length: count },
    (_, i) => size * offsetOf(shape.slice(0, depth), [...indices.data.subarray(i * depth, (i + 1) * depth)]),
  )
  return { places, size }
}

const operators: Readonly<Record<string, Operator>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: (_, [a, b]) => [mapped([a, b], a, (x, y) => (isInteger(a) ? Math.trunc(x / y) : x / y))],
  Max: binary(Math.max),
  Min: binary(Math.min),
  Equal: test((a, b) => a === b),
  Greater: test((a, b) => a > b),
  GreaterOrEqual: test((a, b) => a >= b),
  LessOrEqual: test((a, b) => a <= b),
  Or: test((a, b) => Boolean(a) || Boolean(b)),
  Where: (_, [condition, a, b]) => [mapped([condition, a, b], a, (yes, x, y) => (yes ? x : y))],
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary((x) => Math.log1p(Math.exp(x))),
  Gelu: unary((x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2))),
  FastGelu: unary((x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  Identity: (_, [x]) => [x],
  Shape: ({ attributes: { start = 0, end } }, [{ shape }]) => {
    const sizes = shape.slice(Number(start), end === undefined ? undefined : Number(end))
    return [whole([sizes.length], sizes)]
  },
  Reshape: (_, [x, shape]) => [reshaped(x, list(shape))],
  Squeeze: (_, [x]) => [{ shape: x.shape.filter((size) => size !== 1), data: x.data }],
  Unsqueeze: (_, [x, axes]) => {
    const shape = [...x.shape]
    for (const axis of list(axes).toSorted((a, b) => a - b)) shape.splice(axis, 0, 1)
    return [{ shape, data: x.data }]
  },
  Expand: (_, [x, shape]) => [mapped([x, floats(list(shape))], x, (value) => value)],
  Range: (
    _,
    [
      {
        data: [first],
      },
      {
        data: [end],
      },
    ],
  ) => [
    whole(
      [end - first],
      Array.from({ length: end - first }, (__, i) => first + i),
    ),
  ],
  Cast: ({ attributes: { to } }, [x]) => [
    {
      shape: x.shape,
      data: [1, 10].includes(Number(to)) ? Float32Array.from(x.data) : Float64Array.from(x.data),
    },
  ],
  CumSum: (_, [x]) => {
    const width = x.shape[1]
    let sum = 0
    return [
      {
        shape: x.shape,
        data: x.data.map((value: number, i: number) => (sum = (i % width === 0 ? 0 : sum) + value)),
      },
    ]
  },
  ReduceMax: (_, [x]) => [whole([], [Math.max(...x.data)])],
  ReduceSum: (_, [x, axes]) => [
    reduced(x, axisOf(axes.data[0], x.shape.length), true, (row) => row.reduce((a, b) => a + b)),
  ],
  Gather: (_, [table, ids]) => [gathered(table, ids)],
  Slice: (_, [x, starts, ends, axes]) => {
    const axis = axisOf(axes.data[0], x.shape.length)
    const place = (given: number) =>
      Math.max(0, Math.min(x.shape[axis], given < 0 ? given + x.shape[axis] : given))
    return [sliced(x, axis, place(starts.data[0]), place(ends.data[0]))]
  },
  Concat: ({ attributes: { axis } }, inputs) => [concatenated(inputs, axisOf(axis, inputs[0].shape.length))],
  Split: ({ attributes: { axis } }, [x, sizes]) => {
    let start = 0
    return list(sizes).map((size) => sliced(x, axisOf(axis, x.shape.length), start, (start += size)))
  },
  Transpose: ({ attributes: { perm } }, [x]) => [transposed(x, perm as number[])],
  MatMul: (_, [a, b]) => [product(a, b)],
  Gemm: (_, [x, weight, bias]) => {
    const y = linear(x, weight)
    return [bias ? mapped([y, bias], y, (a, b) => a + b) : y]
  },
  Conv: ({ attributes: { group } }, [x, kernel, bias]) => {
    const [batch, width, length] = x.shape
    const [, , taps] = kernel.shape
    if (group !== width) throw new Error('a convolution that is not depthwise')
    return [
      made([batch, width, length - taps + 1], x, ([b, c, t]) => {
        let sum = bias ? bias.data[c] : 0
        for (let i = 0; i < taps; i += 1)
          sum += kernel.data[c * taps + i] * x.data[(b * width + c) * length + t + i]
        return sum
      }),
    ]
  },
  Softmax: (_, [x]) => [
    byRow(x, (row) => {
      const largest = Math.max(...row)
      const powers = Array.from(row, (value) => Math.exp(value - largest))
      const total = powers.reduce((a, b) => a + b)
      return powers.map((value) => value / total)
    }),
  ],
  LayerNormalization: ({ attributes: { epsilon } }, [x, gain, bias]) => [
    byRow(x, (row) => {
      const middle = mean(row, (value) => value)
      const scale = 1 / Math.sqrt(mean(row, (value) => (value - middle) ** 2) + Number(epsilon))
      return Array.from(row, (value, i) => (value - middle) * scale * gain.data[i] + bias.data[i])
    }),
  ],
  SimplifiedLayerNormalization: ({ attributes: { epsilon } }, [x, gain]) => [
    byRow(x, (row) => {
      const scale = 1 / Math.sqrt(mean(row, (value) => value * value) + Number(epsilon))
      return Array.from(row, (value, i) => value * scale * gain.data[i])
    }),
  ],
  RotaryEmbedding: (node, inputs) => [rotated(node, inputs)],
  GroupQueryAttention: (node, inputs) => attend(node, inputs),
  MatMulNBits: ({ attributes: { bits, N, K } }, [x, codes, scales, , , bias]) => {
    const weight = dequantized(codes, scales, Number(bits), [Number(N), Number(K)])
    const y = linear(x, weight)
    return [bias ? mapped([y, bias], y, (a, b) => a + b) : y]
  },
  Scan: scan,
  Loop: loop,
  TopK: (_, [x, k]) => topK(x, k.data[0]),
  Unique: (_, [x]) => {
    const found = [...new Set(list(x))].toSorted((a, b) => a - b)
    return [whole([found.length], found)]
  },
  NonZero: (_, [x]) => {
    const places = list(x).flatMap((value, i) =>
      value === 0 ? [] : [[Math.floor(i / x.shape[1]), i % x.shape[1]]],
    )
    return [whole([2, places.length], [...places.map(([row]) => row), ...places.map(([, column]) => column)])]
  },
  GatherND: (_, [x, indices]) => {
    const { places, size } = placesOf(x.shape, indices)
    const shape = [places.length, ...x.shape.slice(indices.shape[1])]
    return [floats(shape, Float32Array.from(places.flatMap((at) => [...x.data.subarray(at, at + size)])))]
  },
  ScatterND: (_, [x, indices, updates]) => {
    const { places, size } = placesOf(x.shape, indices)
    const data = x.data.slice()
    places.forEach((at, i) => data.set(updates.data.subarray(i * size, (i + 1) * size), at))
    return [{ shape: x.shape, data }]
  },
}
