import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { float16ToFloat32 } from '../../../src/float16.ts'

/** A value of a graph: floats as float32, integers and truth values as numbers. */
export interface Value {
  shape: number[]
  data: Float32Array | Float64Array
}

export interface ReadNode {
  type: string
  domain: string
  inputs: string[]
  outputs: string[]
  attributes: Record<string, number | number[] | string | ReadGraph>
}

export interface ReadGraph {
  nodes: ReadNode[]
  inputs: { name: string; type: number; shape: (number | string)[] }[]
  outputs: { name: string; type: number; shape: (number | string)[] }[]
  initializers: Map<string, Value>
}

/** The fields of a message by their numbers: varints as bigint, all else as bytes. */
type Fields = Map<number, (bigint | Uint8Array)[]>

function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Fields = new Map()
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const length = (key & 7) === 0 ? 0 : (key & 7) === 5 ? 4 : Number(varint())
    const value = (key & 7) === 0 ? varint() : bytes.subarray(at, at + length)
    at += length
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value])
  }
  return fields
}

const all = (fields: Fields, number: number) => (fields.get(number) ?? []) as Uint8Array[]
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
const texts = (fields: Fields, number: number) => all(fields, number).map(text)
const integer = (value: bigint) => Number(BigInt.asIntN(64, value))
const integers = (fields: Fields, number: number) => ((fields.get(number) ?? []) as bigint[]).map(integer)

/** The main graph of a file, and the versions that it asks for. */
export function readOnnx(path: string): { graph: ReadGraph; format: number; opsets: Record<string, number> } {
  const model = fieldsOf(readFileSync(path))
  const opsets = all(model, 8).map(fieldsOf)
  return {
    graph: graphOf(all(model, 7)[0], dirname(path)),
    format: integers(model, 1)[0],
    opsets: Object.fromEntries(opsets.map((opset) => [texts(opset, 1)[0], integers(opset, 2)[0]])),
  }
}

function graphOf(bytes: Uint8Array, folder: string): ReadGraph {
  const graph = fieldsOf(bytes)
  return {
    nodes: all(graph, 1).map((node) => nodeOf(fieldsOf(node), folder)),
    inputs: all(graph, 11).map(valueInfo),
    outputs: all(graph, 12).map(valueInfo),
    initializers: new Map(all(graph, 5).map((tensor) => tensorOf(fieldsOf(tensor), folder))),
  }
}

function nodeOf(node: Fields, folder: string): ReadNode {
  const attributes = all(node, 5).map((bytes): [string, ReadNode['attributes'][string]] => {
    const attribute = fieldsOf(bytes)
    const [name] = texts(attribute, 1)
    const [type] = integers(attribute, 20)
    if (type === 1) {
      const [float] = all(attribute, 2)
      return [name, new DataView(float.buffer, float.byteOffset).getFloat32(0, true)]
    }
    if (type === 2) return [name, integers(attribute, 3)[0]]
    if (type === 3) return [name, texts(attribute, 4)[0]]
    if (type === 7) return [name, integers(attribute, 8)]
    return [name, graphOf(all(attribute, 6)[0], folder)]
  })
  return {
    type: texts(node, 4)[0],
    domain: texts(node, 7)[0] ?? '',
    inputs: texts(node, 1),
    outputs: texts(node, 2),
    attributes: Object.fromEntries(attributes),
  }
}

function valueInfo(bytes: Uint8Array): ReadGraph['inputs'][number] {
  const info = fieldsOf(bytes)
  const tensor = fieldsOf(all(fieldsOf(all(info, 2)[0]), 1)[0])
  const shape = all(fieldsOf(all(tensor, 2)[0]), 1).map((dimension) => {
    const fields = fieldsOf(dimension)
    return fields.has(1) ? integers(fields, 1)[0] : texts(fields, 2)[0]
  })
  return { name: texts(info, 1)[0], type: integers(tensor, 1)[0], shape }
}

function tensorOf(tensor: Fields, folder: string): [string, Value] {
  const shape = integers(tensor, 1)
  const [type] = integers(tensor, 2)
  const inside = all(tensor, 9)[0] ?? external(all(tensor, 13).map(fieldsOf), folder)
  const { buffer } = Uint8Array.from(inside)
  return [texts(tensor, 8)[0], { shape, data: numbersOf(buffer, type) }]
}

function external(entries: Fields[], folder: string): Uint8Array {
  const { location, offset, length } = Object.fromEntries(
    entries.map((entry) => [texts(entry, 1)[0], texts(entry, 2)[0]]),
  )
  return readFileSync(join(folder, location)).subarray(Number(offset), Number(offset) + Number(length))
}

function numbersOf(buffer: ArrayBuffer, type: number): Value['data'] {
  switch (type) {
    case 1:
      return new Float32Array(buffer)
    case 2:
      return Float64Array.from(new Uint8Array(buffer))
    case 6:
      return Float64Array.from(new Int32Array(buffer))
    case 7:
      return Float64Array.from(new BigInt64Array(buffer), Number)
    case 10:
      return float16ToFloat32(new Uint16Array(buffer))
    default:
      throw new Error(`element type ${type}`)
  }
}
