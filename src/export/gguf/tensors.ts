import { FettleError } from '../../error.ts'
import type { UnloadedModel } from '../../model/index.ts'
import { parametersOf, partShape, type Parameter, type ParameterPart } from '../../model/index.ts'
import type { PlannedTensor } from './planned-tensor.ts'
import { ropeTensors } from './rope-tensors.ts'

/** Numbers that are in memory at once, where a tensor can be read in pieces. */
const mostAtOnce = 1 << 22

/** All tensors of a model by the names of llama.cpp, in the order of the forward pass, with what it does to them between the files. */
export function plannedTensors(model: UnloadedModel, architecture: string): PlannedTensor[] {
  const tensors = parametersOf(model.architecture).flatMap((parameter) =>
    tensorsOfParameter(model, parameter),
  )
  const seen = new Set<string>()
  for (const { name } of tensors) {
    if (seen.has(name)) throw new FettleError({ place: `tensor ${name}`, found: 'twice', expected: 'once' })
    seen.add(name)
  }
  return [...ropeTensors(model.architecture, architecture), ...tensors]
}

/** A stretch of a parameter's rows. */
interface Stretch {
  first: number
  rows: number
}

function tensorsOfParameter(model: UnloadedModel, parameter: Parameter): PlannedTensor[] {
  const isMxfp4 = model.isMxfp4(parameter)
  const stacks = new Map<string, { shape: readonly number[]; stretches: (Stretch & { index: number })[] }>()
  const tensors: PlannedTensor[] = []
  let first = 0
  for (const part of parameter.parts) {
    const { gguf, rows } = part
    if (!gguf.pieces) tensors.push(plainTensor(model, parameter, part, first))
    for (const [i, { name, index, count, beside = 1 }] of (gguf.pieces ?? []).entries()) {
      const each = rows / (gguf.pieces?.length ?? 1)
      const shape = [count / beside, ...partShape(parameter, beside * each)]
      const stack = stacks.get(name) ?? { shape, stretches: [] }
      stack.stretches.push({ index, first: first + i * each, rows: each })
      stacks.set(name, stack)
    }
    first += rows
  }
  for (const [name, { shape, stretches }] of stacks) {
    const inOrder = stretches.toSorted((a, b) => a.index - b.index)
    tensors.push({ name, shape, isMxfp4, values: () => readStretches(model, parameter, inOrder) })
  }
  return tensors
}

function plainTensor(
  model: UnloadedModel,
  parameter: Parameter,
  { rows, gguf: { name, transform } }: ParameterPart,
  first: number,
): PlannedTensor {
  const inMemory = partShape(parameter, rows)
  const stretch = { first, rows }
  if (!transform || transform.onlyReshapes)
    return {
      name,
      shape: transform?.fileShape(inMemory) ?? inMemory,
      isMxfp4: model.isMxfp4(parameter),
      values: () => readStretches(model, parameter, [stretch]),
    }
  return {
    name,
    shape: transform.fileShape(inMemory),
    async *values() {
      yield transform.toFile(await model.values(parameter, stretch), inMemory)
    },
  }
}

/** Rows one after the other, as many at a time as memory should hold. */
async function* readStretches(
  model: UnloadedModel,
  parameter: Parameter,
  stretches: readonly Stretch[],
): AsyncGenerator<Float32Array> {
  const most = Math.max(1, Math.floor(mostAtOnce / parameter.columns))
  for (const { first, rows } of stretches)
    for (let row = 0; row < rows; row += most)
      yield await model.values(parameter, { first: first + row, rows: Math.min(most, rows - row) })
}
