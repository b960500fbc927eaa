import {
  bytesField,
  bytesHeader,
  floatField,
  integerField,
  joined,
  messageField,
  textField,
} from '../../formats/index.ts'

/**
 * The messages of an ONNX file that fettle writes, by the numbers of their fields.
 * Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, IR version 10
 */

/** Element types, by their numbers in TensorProto.DataType. */
const elementTypes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 } as const
export type ElementType = keyof typeof elementTypes

export const bytesOfElement: { readonly [T in ElementType]: number } = {
  float32: 4,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
}

/** An attribute of a node, of the type that its name says. */
export type Attribute =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { text: string }
  | { graph: Graph }

export interface OnnxNode {
  type: string
  /** '' is ONNX's own. */
  domain: string
  /** Names of values; '' for an optional one that is absent. */
  inputs: readonly string[]
  outputs: readonly string[]
  attributes: Readonly<Record<string, Attribute>>
}

/** An input or output of a graph; dimensions that differ from run to run have names. */
export interface ValueInfo {
  name: string
  type: ElementType
  shape: readonly (number | string)[]
}

/** Numbers that are part of a graph. */
export interface Initializer {
  name: string
  type: ElementType
  shape: readonly number[]
  /** The bytes, or what makes them, piece by piece, when they are written. */
  data: Uint8Array | (() => AsyncIterable<Uint8Array>)
}

export interface Graph {
  name: string
  nodes: readonly OnnxNode[]
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  initializers: readonly Initializer[]
}

/** Where the bytes of an initializer are that are not in the file. */
export interface ExternalPlace {
  /** Name of the file beside it. */
  location: string
  offset: number
}

/** Opset of ONNX's own operators, of onnxruntime's, and the version of the format. */
const versions = { '': 21, 'com.microsoft': 1, format: 10 }

export function byteLengthOf({ type, shape }: Pick<Initializer, 'type' | 'shape'>): number {
  return shape.reduce((product, size) => product * size, bytesOfElement[type])
}

/**
 * The pieces of an ONNX file, in their order: bytes, or the initializer whose bytes come there.
 *
 * @param placeOf  of an initializer that lies in another file
 */
export function modelPieces(
  graph: Graph,
  producer: { name: string; version: string },
  placeOf: (initializer: Initializer) => ExternalPlace | undefined,
): (Uint8Array | Initializer)[] {
  const tensors = graph.initializers.map((initializer) => {
    const place = placeOf(initializer)
    const header = tensorFields(initializer, place)
    const inside = place ? 0 : byteLengthOf(initializer)
    const fields = place ? header : joined([header, bytesHeader(9, inside)])
    const start = joined([bytesHeader(5, fields.length + inside), fields])
    return { pieces: place ? [start] : [start, initializer], length: start.length + inside }
  })
  const own = joined(graphFields(graph))
  const length = tensors.reduce((sum, tensor) => sum + tensor.length, own.length)
  const model = joined([
    integerField(1, versions.format),
    ...(['', 'com.microsoft'] as const).map((domain) =>
      messageField(8, [textField(1, domain), integerField(2, versions[domain])]),
    ),
    textField(2, producer.name),
    textField(3, producer.version),
    bytesHeader(7, length),
    own,
  ])
  return [model, ...tensors.flatMap(({ pieces }) => pieces)]
}

/** Everything of a TensorProto but its bytes. */
function tensorFields({ name, type, shape }: Initializer, place: ExternalPlace | undefined): Uint8Array {
  const entry = (key: string, value: string | number) =>
    messageField(13, [textField(1, key), textField(2, String(value))])
  return joined([
    ...shape.map((size) => integerField(1, size)),
    integerField(2, elementTypes[type]),
    textField(8, name),
    ...(place
      ? [
          entry('location', place.location),
          entry('offset', place.offset),
          entry('length', byteLengthOf({ type, shape })),
          integerField(14, 1),
        ]
      : []),
  ])
}

/** Everything of a graph but its initializers. */
function graphFields({ name, nodes, inputs, outputs }: Graph): Uint8Array[] {
  return [
    ...nodes.map((node, i) => messageField(1, nodeFields(node, i))),
    textField(2, name),
    ...inputs.map((value) => messageField(11, valueFields(value))),
    ...outputs.map((value) => messageField(12, valueFields(value))),
  ]
}

function nodeFields({ type, domain, inputs, outputs, attributes }: OnnxNode, place: number): Uint8Array[] {
  return [
    ...inputs.map((input) => textField(1, input)),
    ...outputs.map((output) => textField(2, output)),
    textField(3, `${type}_${place}`),
    textField(4, type),
    ...Object.entries(attributes).map(([name, value]) => messageField(5, attributeFields(name, value))),
    ...(domain === '' ? [] : [textField(7, domain)]),
  ]
}

function attributeFields(name: string, value: Attribute): Uint8Array[] {
  const named = textField(1, name)
  if ('float' in value) return [named, floatField(2, value.float), integerField(20, 1)]
  if ('int' in value) return [named, integerField(3, value.int), integerField(20, 2)]
  if ('text' in value) return [named, textField(4, value.text), integerField(20, 3)]
  if ('ints' in value) return [named, ...value.ints.map((each) => integerField(8, each)), integerField(20, 7)]
  const { graph } = value
  const initializers = graph.initializers.map((initializer) => {
    if (!(initializer.data instanceof Uint8Array))
      throw new Error('numbers of an inner graph are inside of it')
    return messageField(5, [tensorFields(initializer, undefined), bytesField(9, initializer.data)])
  })
  return [named, messageField(6, [...graphFields(graph), ...initializers]), integerField(20, 5)]
}

function valueFields({ name, type, shape }: ValueInfo): Uint8Array[] {
  const dimensions = shape.map((size) =>
    messageField(1, [typeof size === 'number' ? integerField(1, size) : textField(2, size)]),
  )
  const tensorType = messageField(1, [integerField(1, elementTypes[type]), messageField(2, dimensions)])
  return [textField(1, name), messageField(2, [tensorType])]
}
