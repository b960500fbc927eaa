import { infoOf, type Command } from '../../engine/index.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { FettleError } from '../../error.ts'
import type { Architecture, GenerationProgram, Rope } from '../../model/index.ts'
import { recordGeneration, vocabularyOf } from '../../model/index.ts'
import { cachedAttention, rope } from './attention-ops.ts'
import { whole, type Columns } from './columns.ts'
import { cachedCausalConv } from './conv-ops.ts'
import { cachedGatedDelta, gatedNorm } from './delta-ops.ts'
import { combine, dispatch, expertGlu, expertLinear, route, scaleExperts, sigmoid } from './expert-ops.ts'
import { createGraphBuilder, type GraphBuilder } from './graph-builder.ts'
import { activation, gateColumns, glu, linear, sigmoidGate, splitGates } from './linear-ops.ts'
import { memoryValues } from './memory-values.ts'
import type { Graph } from './model-proto.ts'
import type { OpTranslation, OpTranslator, ProgramTranslation } from './op-translation.ts'
import type { Storage } from './storage.ts'
import {
  addScaled,
  capLogits,
  cast,
  embedding,
  fill,
  joinColumns,
  layerNorm,
  qkNorm,
  rmsNorm,
  scaleBy,
  selectRows,
} from './stream-ops.ts'
import { createTokenValues } from './token-values.ts'
import { createWeightInitializers, type ReadRows } from './weight-initializers.ts'

/** Ops of fettle that are written as operators of ONNX and onnxruntime. A model with another one is refused by its name. */
const translators: { readonly [K in Command['op']]?: OpTranslator } = {
  activation,
  addScaled,
  cachedAttention,
  cachedCausalConv,
  cachedGatedDelta,
  capLogits,
  cast,
  combine,
  dispatch,
  embedding,
  expertGlu,
  expertLinear,
  fill,
  gateColumns,
  gatedNorm,
  glu,
  joinColumns,
  layerNorm,
  linear,
  qkNorm,
  rmsNorm,
  rope,
  route,
  scaleBy,
  scaleExperts,
  selectRows,
  sigmoid,
  sigmoidGate,
  splitGates,
}

/**
 * The graph of one pass of generation, translated op by op from the program that the model's family records: a new family comes by
 * itself where its ops are known here.
 *
 * @param place  the model, for messages
 * @throws FettleError for a model with an op that is not written
 */
export function translateProgram(
  architecture: Architecture,
  storage: Storage,
  read: ReadRows,
  place: string,
): Graph {
  const isHalf = storage.compute === 'float16'
  // Both of 16 bits take the same places of a program; numbers of files are rounded from float32.
  const program = recordGeneration(architecture, isHalf ? 'bfloat16' : 'float32')
  checkOps(program, place)
  const graph = createGraphBuilder()
  const tokens = createTokenValues(graph)
  const ropes: Rope[] = []
  const shared: ProgramTranslation = {
    graph,
    program,
    storage,
    tokens,
    weights: createWeightInitializers(graph, read),
    maxPositions: architecture.maxPositions,
    vocabulary: vocabularyOf(architecture),
    nameOf(rotation) {
      if (!ropes.includes(rotation)) ropes.push(rotation)
      return `rotation.${ropes.indexOf(rotation)}`
    },
    memory: memoryValues(graph, program, storage.compute),
    routes: new Map(),
    expertRows: new Map(),
  }
  const values = new Map<Tensor, Columns>()
  for (const command of program.commands) translators[command.op]?.(opTranslation(shared, command, values))

  const { vocabulary } = shared
  const shape = graph.node('Concat', [tokens.batch, graph.integers([-1, vocabulary])], { axis: { int: 0 } })
  const logits = graph.node('Reshape', [whole(graph, values.get(program.logits) ?? []), shape])
  graph.output({ name: 'logits', type: 'float32', shape: ['batch_size', 'num_logits', vocabulary] }, logits)
  return graph.build('generation')
}

function checkOps({ commands }: GenerationProgram, place: string): void {
  const missing = [...new Set(commands.map(({ op }) => op))].filter((op) => !translators[op])
  if (missing.length === 0) return
  throw new FettleError({
    place,
    found: `layers that compute ${missing.join(', ')}`,
    expected: 'layers that are written as operators of onnxruntime',
    cure: 'Export it with --format gguf or --format safetensors instead.',
  })
}

function opTranslation(
  shared: ProgramTranslation,
  { op, inputs, outputs, attributes }: Command,
  values: Map<Tensor, Columns>,
): OpTranslation {
  const { inputNames, outputNames, attributeNames } = infoOf(op)
  const { graph, program, storage } = shared
  const input = (name: string): Tensor => {
    const tensor = inputs[inputNames.indexOf(name)]
    if (!tensor) throw new Error(`${op}: no input ${name}`)
    return tensor
  }
  const output = (name: string): Tensor => {
    const tensor = outputs[outputNames.indexOf(name)]
    if (!tensor) throw new Error(`${op}: no output ${name}`)
    return tensor
  }
  const columns = (name: string): Columns => {
    const found = values.get(input(name))
    if (!found) throw new Error(`${op}: ${name} has no value`)
    return found
  }
  return {
    ...shared,
    attribute: (name) => attributes[attributeNames.indexOf(name)],
    has: (name) => Boolean(inputs[inputNames.indexOf(name)]),
    tensor: input,
    result: output,
    columns,
    value(name) {
      const joined = joinOnce(graph, columns(name))
      values.set(input(name), joined)
      return joined[0].value
    },
    parameter(name) {
      const parameter = program.parameters.get(input(name).id)
      if (!parameter) throw new Error(`${op}: ${name} is no parameter`)
      return parameter
    },
    type(name) {
      const tensor = inputNames.includes(name) ? input(name) : output(name)
      return tensor.dtype === 'float32' ? 'float32' : storage.compute
    },
    width: (name) => output(name).shape[1],
    give(name, value) {
      const made = output(name)
      values.set(made, typeof value === 'string' ? [{ value, width: made.shape[1] }] : value)
    },
  }
}

function joinOnce(graph: GraphBuilder, columns: Columns): Columns {
  if (columns.length === 1) return columns
  return [{ value: whole(graph, columns), width: columns.reduce((sum, { width }) => sum + width, 0) }]
}
