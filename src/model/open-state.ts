import { chooseEngine } from '../engine/index.ts'
import { FettleError, type Problem } from '../error.ts'
import { machineMemory } from '../machine-memory.ts'
import { parametersOf } from './blocks/architecture.ts'
import type { GgufDescription, ModelDescription } from './families/index.ts'
import { describeModel } from './families/index.ts'
import type { LoadOptions } from './load-options.ts'
import { computeType, readQuantization } from './load-options.ts'
import { loadModelState } from './state/load-state.ts'
import type { ModelState } from './state/model-state.ts'
import type { Parameter } from './weights/parameters.ts'
import { rowCount } from './weights/parameters.ts'
import { doublyQuantized } from './weights/quantized/double-quantization.ts'
import { openModel } from './weights/stores/open-model.ts'
import { openRandomStore } from './weights/stores/random-store.ts'
import type { WeightStore } from './weights/stores/weight-store.ts'

/** A model on an engine, and what is to be said of its files. */
export interface OpenedModel {
  state: ModelState
  notices: readonly Problem[]
  /** generation_config.json as it was read. */
  generationConfig?: Record<string, unknown> | null
  gguf?: GgufDescription | null
}

/**
 * A Hugging Face folder or a GGUF file on an engine, and what its generation_config.json says.
 *
 * @param isUnloaded  whether its weights stay in the files
 */
export async function openPretrained(
  path: string,
  options: LoadOptions,
  isUnloaded = false,
): Promise<OpenedModel> {
  const { store, generationConfig, ...description } = await openModel(path)
  const { notices, gguf } = description
  const { state, notices: ofEngine } = await onEngine(description, store, options, isUnloaded)
  return { state, generationConfig, notices: [...ofEngine, ...notices], gguf }
}

/** Fresh random weights on an engine, from the fields of a config.json. */
export async function openFresh(
  raw: Record<string, unknown>,
  { seed = 42, ...options }: LoadOptions & { seed?: number },
): Promise<OpenedModel> {
  const description = await describeModel(raw, 'config')
  const deviation = typeof raw['initializer_range'] === 'number' ? raw['initializer_range'] : 0.02
  const parameters = parametersOf(description.architecture)
  checkRoom(parameters)
  const store = openRandomStore(parameters, deviation, seed)
  const { state, notices } = await onEngine(description, store, options)
  return { state, notices: [...notices, ...description.notices] }
}

/** No file bounds the sizes of fresh weights: the memory of this machine does. */
function checkRoom(parameters: readonly Parameter[]): void {
  const bytes = parameters.reduce((sum, parameter) => sum + 4 * rowCount(parameter) * parameter.columns, 0)
  if (bytes <= machineMemory()) return
  throw new FettleError({
    place: 'config',
    found: `sizes for ${(bytes / 2 ** 30).toPrecision(3)} GiB of weights`,
    expected: `at most the memory of this machine, ${(machineMemory() / 2 ** 30).toPrecision(3)} GiB`,
  })
}

async function onEngine(
  description: ModelDescription,
  store: WeightStore,
  options: LoadOptions,
  isUnloaded = false,
): Promise<OpenedModel> {
  const { doubleQuantization, ...quantized } = readQuantization(options)
  const { engine, notice } = await chooseEngine(options)
  const activation = computeType(engine, store.dtype, options.dtype)
  const savedAs = options.dtype === undefined || options.dtype === 'auto' ? null : options.dtype
  const source = doubleQuantization ? doublyQuantized(store, parametersOf(description.architecture)) : store
  const state = await loadModelState(engine, description, source, {
    activation,
    savedAs,
    isUnloaded,
    ...quantized,
  })
  // Whose weights stay in the files computes nothing.
  return { state, notices: notice === undefined || isUnloaded ? [] : [notice] }
}
