import { numberToFloat16 } from '../../float16.ts'
import { bytesOfElement } from './model-proto.ts'
import type { Attribute, ElementType, Graph, Initializer, OnnxNode, ValueInfo } from './model-proto.ts'

/** Operators of onnxruntime's own. */
const contributed = new Set(['FastGelu', 'GroupQueryAttention', 'MatMulNBits', 'RotaryEmbedding'])

/** A graph that grows node by node; values have names. */
export interface GraphBuilder {
  /** Adds a node, or finds the one that computes the same; returns the names of its first `outputs` outputs. */
  nodes(
    type: string,
    inputs: readonly string[],
    outputs: number,
    attributes?: Readonly<Record<string, Attribute>>,
  ): string[]
  /** A node with one output. */
  node(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, Attribute>>): string
  /** Integers [n]; `scalar` has no dimension. */
  integers(values: readonly number[]): string
  scalar(value: number, type: ElementType): string
  /** Numbers that are part of the graph; one of the same name is added once. */
  initializer(initializer: Initializer): string
  input(value: ValueInfo): string
  /** Gives a value a name that users of the graph know. */
  output(value: ValueInfo, from: string): void
  build(name: string): Graph
}

/** @param prefix  of all names that are made up: an inner graph may have none of its outer one's */
export function createGraphBuilder(prefix = ''): GraphBuilder {
  const nodes: OnnxNode[] = []
  const known = new Map<string, readonly string[]>()
  const initializers = new Map<string, Initializer>()
  const inputs: ValueInfo[] = []
  const outputs: ValueInfo[] = []
  let count = 0

  const builder: GraphBuilder = {
    nodes(type, from, outputCount, attributes = {}) {
      const key = JSON.stringify([type, from, outputCount, attributes])
      const same = known.get(key)
      if (same) return [...same]
      const made = Array.from({ length: outputCount }, () => {
        count += 1
        return `${prefix}v${count}`
      })
      const domain = contributed.has(type) ? 'com.microsoft' : ''
      nodes.push({ type, domain, inputs: from, outputs: made, attributes })
      known.set(key, made)
      return [...made]
    },
    node: (type, from, attributes) => builder.nodes(type, from, 1, attributes)[0],
    integers: (values) =>
      builder.initializer({
        name: `${prefix}integers_${values.join('_')}`,
        type: 'int64',
        shape: [values.length],
        data: bytesOf(values, 'int64'),
      }),
    scalar: (value, type) =>
      builder.initializer({
        name: `${prefix}${type}_${value}`,
        type,
        shape: [],
        data: bytesOf([value], type),
      }),
    initializer(initializer) {
      if (!initializers.has(initializer.name)) initializers.set(initializer.name, initializer)
      return initializer.name
    },
    input(value) {
      if (!inputs.some(({ name }) => name === value.name)) inputs.push(value)
      return value.name
    },
    output(value, from) {
      outputs.push(value)
      nodes.push({ type: 'Identity', domain: '', inputs: [from], outputs: [value.name], attributes: {} })
    },
    build: (name) => ({ name, nodes, inputs, outputs, initializers: [...initializers.values()] }),
  }
  return builder
}

/** Numbers as a file has them: little-endian. */
function bytesOf(values: readonly number[], type: ElementType): Uint8Array {
  const size = bytesOfElement[type]
  const bytes = new Uint8Array(values.length * size)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) {
    if (type === 'int64') view.setBigInt64(i * size, BigInt(value), true)
    else if (type === 'int32') view.setInt32(i * size, value, true)
    else if (type === 'float32') view.setFloat32(i * size, value, true)
    else if (type === 'float16') view.setUint16(i * size, numberToFloat16(value), true)
    else view.setUint8(i * size, value)
  }
  return bytes
}
