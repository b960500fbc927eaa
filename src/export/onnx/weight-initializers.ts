import { float32ToFloat16 } from '../../float16.ts'
import { shapeOf, type Parameter, type UnloadedModel } from '../../model/index.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { Initializer } from './model-proto.ts'
import { blockSize, quantizeBlocks } from './quantize-blocks.ts'

/** Reads a parameter's values in float32, all or those of some rows. */
export type ReadRows = UnloadedModel['values']

type FloatType = 'float32' | 'float16'

/** Values that are in memory at once. */
const valuesAtOnce = 1 << 22

/** The names of a quantised matrix: codes [rows, blocks, bytes] and scales [rows · blocks]. */
export interface QuantizedWeight {
  codes: string
  scales: string
}

/** Adds parameters to a graph, whose numbers are read when the graph is written. */
export interface WeightInitializers {
  float(parameter: Parameter, type: FloatType): string
  quantized(parameter: Parameter, bits: 4 | 8, scaleType: FloatType): QuantizedWeight
}

export function createWeightInitializers(graph: GraphBuilder, read: ReadRows): WeightInitializers {
  return {
    float: (parameter, type) =>
      graph.initializer({
        name: `${parameter.key}.${type}`,
        type,
        shape: shapeOf(parameter),
        data: async function* () {
          for await (const values of groups(parameter, read)) yield bytesOf(values, type)
        },
      }),
    quantized(parameter, bits, scaleType) {
      const [rows, columns] = shapeOf(parameter)
      const blocks = columns / blockSize
      const name = `${parameter.key}.q${bits}`
      // They follow the codes in the file, and are known when those are.
      let scales: Float32Array[] = []
      const codes: Initializer = {
        name,
        type: 'uint8',
        shape: [rows, blocks, (blockSize * bits) / 8],
        data: async function* () {
          scales = []
          for await (const values of groups(parameter, read)) {
            const made = quantizeBlocks(values, bits, scaleType)
            scales.push(made.scales)
            yield made.codes
          }
        },
      }
      return {
        codes: graph.initializer(codes),
        scales: graph.initializer({
          name: `${name}.scales`,
          type: scaleType,
          shape: [rows * blocks],
          data: async function* () {
            for (const part of scales) yield bytesOf(part, scaleType)
            scales = []
          },
        }),
      }
    },
  }
}

/** A parameter's values, some rows at a time. */
async function* groups(parameter: Parameter, read: ReadRows): AsyncGenerator<Float32Array> {
  const [rows, columns = 1] = shapeOf(parameter)
  const atOnce = Math.max(1, Math.floor(valuesAtOnce / columns))
  for (let first = 0; first < rows; first += atOnce)
    yield await read(parameter, { first, rows: Math.min(atOnce, rows - first) })
}

function bytesOf(values: Float32Array, type: FloatType): Uint8Array {
  const { buffer, byteOffset, byteLength } = type === 'float32' ? values : float32ToFloat16(values)
  return new Uint8Array(buffer, byteOffset, byteLength)
}
