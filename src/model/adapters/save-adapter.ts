import type { Engine } from '../../engine/index.ts'
import { FettleError, quoteValue } from '../../error.ts'
import type { AdapterTensorToWrite, LoraConfig, ModuleAdapter } from '../../peft/index.ts'
import { changesBase, isSplitInit, savedTargets, toPeftConfig, writeAdapter } from '../../peft/index.ts'
import { projectionsOf } from '../blocks/architecture.ts'
import type { Adapter } from '../state/adapter-state.ts'
import type { ModelState } from '../state/model-state.ts'
import type { TrainableSet } from '../state/trainable-set.ts'
import { extractSlice } from '../weights/tensor-slice.ts'
import { severalActive } from './several/adapter-names.ts'

const forms = ['as-begun', 'converted', 'changed-base'] as const

/** How an adapter is saved that began with a change of the base: PiSSA, OLoRA, LoftQ. */
export interface SaveAdapterOptions {
  /**
   * - `as-begun`: A and B as they are; whoever loads them changes the base again, as PEFT does. The default where that can be done.
   * - `converted`: plain LoRA of twice the rank for the base as its files have it, as PEFT's save_pretrained with
   *   path_initial_model_for_weight_conversion; of PiSSA and OLoRA. The default of pissa_niter_N, which began with random numbers.
   * - `changed-base`: A and B as they are, for the base that `model.save` writes beside it: that one is changed already.
   */
  form?: 'as-begun' | 'converted' | 'changed-base'
}

/** Writes adapter_model.safetensors and adapter_config.json as PEFT does. */
export async function saveAdapter(
  state: ModelState,
  folder: string,
  { form }: SaveAdapterOptions = {},
): Promise<void> {
  const { adapter } = state
  if (!adapter)
    throw new FettleError({
      place: 'saveAdapter',
      found: 'a model without an adapter',
      cure: 'Call addAdapter first.',
    })
  if (state.activeAdapters.length > 1) throw severalActive('a file')
  const { config, tensors } = formed(adapter, savedTensors(state, adapter), form)
  const modules = adaptedModules(state, adapter)
  const names = modules.map(({ module }) => module)
  const targets = savedTargets(config, modules, state.config.modelType)
  await writeAdapter(folder, toPeftConfig(targets, names), tensors)
}

/** All modules that have LoRA; experts are none. */
function adaptedModules(
  { architecture }: ModelState,
  { modules, tables: { embedding, head } }: Adapter,
): ModuleAdapter[] {
  const experts = new Set(projectionsOf(architecture).map((parameter) => parameter.experts?.name))
  const linear = [...modules.values()].filter(({ module }) => !experts.has(module))
  return [...linear, ...[embedding, head].filter((table) => table !== null)]
}

/** The trained tensors by their names in the file, to be read one at a time. */
export function trainedTensors(state: ModelState, source: 'tensor' | 'gradient'): AdapterTensorToWrite[] {
  return state.trainable ? tensorsOf(state.engine, state.trainable, source) : []
}

/** The same of an adapter that need not be in use. */
export function tensorsOf(
  engine: Engine,
  { tensors }: TrainableSet,
  source: 'tensor' | 'gradient',
): AdapterTensorToWrite[] {
  const kind = source === 'gradient' ? 'gradient' : 'values'
  return tensors.flatMap((trained) =>
    trained.slices.map((slice) => ({
      name: slice.name,
      shape: slice.shape,
      data: async () => extractSlice((await engine.read(trained[source])) as Float32Array, slice, kind),
    })),
  )
}

function savedTensors(state: ModelState, { fixed }: Adapter): AdapterTensorToWrite[] {
  const trained = trainedTensors(state, 'tensor')
  const names = new Set(trained.map(({ name }) => name))
  return [...trained, ...fixed.filter(({ name }) => !names.has(name))]
}

/** The configuration and the tensors of a form. */
function formed(
  { config, begun }: Adapter,
  tensors: AdapterTensorToWrite[],
  form?: SaveAdapterOptions['form'],
): { config: LoraConfig; tensors: AdapterTensorToWrite[] } {
  const { initLoraWeights: init } = config
  const isRandomised = isSplitInit(init) && init.startsWith('pissa_niter_')
  const chosen = form ?? (isRandomised ? 'converted' : 'as-begun')
  if (!forms.includes(chosen)) throw wrongForm(quoteValue(chosen), forms.join(', '))
  if (!changesBase(init)) return { config, tensors }
  if (chosen === 'changed-base') return { config: { ...config, initLoraWeights: true }, tensors }
  if (chosen === 'as-begun') {
    if (isRandomised) throw wrongForm(`as-begun of ${init}`, 'converted or changed-base: it began at random')
    return { config, tensors }
  }
  if (config.useDora) throw wrongForm('converted of DoRA', 'as-begun or changed-base: it is no sum')
  if (init === 'loftq') throw wrongForm('converted of loftq', 'as-begun or changed-base: it rounds the base')
  return { config: converted(config), tensors: tensors.map((tensor) => lessBegun(tensor, begun)) }
}

function wrongForm(found: string, expected: string): FettleError {
  return new FettleError({ place: 'saveAdapter: form', found, expected })
}

/** Twice the rank with the same scaling: alpha / r, or alpha / √r. */
function converted(config: LoraConfig): LoraConfig {
  const factor = config.useRslora ? Math.SQRT2 : 2
  const times = (pattern: Record<string, number>, by: number) =>
    Object.fromEntries(Object.entries(pattern).map(([name, value]) => [name, by * value]))
  return {
    ...config,
    initLoraWeights: true,
    r: 2 * config.r,
    loraAlpha: factor * config.loraAlpha,
    rankPattern: times(config.rankPattern, 2),
    alphaPattern: times(config.alphaPattern, factor),
  }
}

/** [A; A₀], or [B, −B₀]: B A − B₀ A₀ is what was learned. */
function lessBegun(
  tensor: AdapterTensorToWrite,
  begun: ReadonlyMap<string, Float32Array>,
): AdapterTensorToWrite {
  const first = begun.get(tensor.name)
  if (!first) return tensor
  const [rows, columns] = tensor.shape
  const { name } = tensor
  if (name.endsWith('.lora_A.weight')) {
    const data = async () => Float32Array.from([...(await tensor.data()), ...first])
    return { name, shape: [2 * rows, columns], data }
  }
  const data = async () => {
    const [now, both] = [await tensor.data(), new Float32Array(2 * first.length)]
    for (let row = 0; row < rows; row += 1)
      for (let i = 0; i < columns; i += 1) {
        both[2 * row * columns + i] = now[row * columns + i]
        both[(2 * row + 1) * columns + i] = -first[row * columns + i]
      }
    return both
  }
  return { name, shape: [rows, 2 * columns], data }
}
