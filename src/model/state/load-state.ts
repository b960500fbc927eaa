import type { Engine } from '../../engine/engine.ts'
import type { Quantization, WeightForm } from '../../engine/quantization.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { parametersOf, projectionsOf } from '../blocks/architecture.ts'
import type { ModelDescription } from '../families/index.ts'
import { expertBlocks } from '../weights/expert-blocks.ts'
import type { Parameter } from '../weights/parameters.ts'
import { rowCount } from '../weights/parameters.ts'
import type { WeightStore } from '../weights/stores/weight-store.ts'
import { leaveInFiles } from './exact-values.ts'
import { keepFrozen } from './frozen-weights.ts'
import type { ModelState, WritableState } from './model-state.ts'
import { ensurePositions } from './rotations.ts'

/** Reads every parameter of a model; linear layers are quantised where that is asked for. */
export async function loadModelState(
  engine: Engine,
  { config, architecture }: ModelDescription,
  store: WeightStore,
  {
    activation,
    quantization,
    activationQuantization,
    savedAs,
    isUnloaded,
  }: Pick<ModelState, 'activation' | 'activationQuantization' | 'savedAs' | 'isUnloaded'> & {
    quantization: Quantization | null
  },
): Promise<ModelState> {
  const state: WritableState = {
    engine,
    config,
    architecture,
    store,
    activation,
    activationQuantization,
    frozen: new Map(),
    forms: new Map(),
    withoutZeros: new Set(),
    stored: new Map(),
    exact: new Map(),
    savedAs,
    trainable: null,
    adapter: null,
    activeAdapters: [],
    parked: new Map(),
    variant: 0,
    tokenRows: null,
    norms: new Map(),
    base: new Map(),
    isAdapterOff: false,
    rotations: new Map(),
    isTraining: false,
    isUnloaded,
    revision: 0,
  }
  if (!isUnloaded) ensurePositions(state, Math.min(architecture.maxPositions, 2048), 0)
  const quantized = new Set(quantization ? projectionsOf(architecture) : [])
  for (const parameter of parametersOf(architecture)) {
    const form = quantized.has(parameter) ? quantization : (store.form?.(parameter) ?? null)
    if (isUnloaded) {
      leaveInFiles(state, parameter, form)
      continue
    }
    const { tensor, hasZero } = await loadTensor(state, parameter, form)
    keepFrozen(state, parameter, tensor, form)
    if (!hasZero) state.withoutZeros.add(parameter.key)
    if (store.repeats) state.stored.set(parameter.key, parameter)
  }
  return state
}

/** A parameter as the store has it, in the compute type or in another form. */
export async function loadTensor(
  { engine, activation, store }: ModelState,
  parameter: Parameter,
  form: WeightForm | null,
): Promise<{ tensor: Tensor; hasZero: boolean }> {
  const { kind, columns, parts } = parameter
  if (kind !== 'vector') {
    const stored = []
    for (const part of parts) stored.push(await store.part(part, columns))
    const blocks = await expertBlocks(parameter, stored, form)
    return { tensor: await engine.weight(activation, columns, blocks, form), hasZero: true }
  }
  const values = new Float32Array(rowCount(parameter))
  let start = 0
  for (const part of parts) {
    values.set(await store.values(part), start)
    start += part.rows
  }
  return { tensor: engine.tensor('float32', [values.length], values), hasZero: values.includes(0) }
}
